//! The byte layout of keys and values, and the catalog of names.

pub(super) mod keys;
pub(super) mod names;
pub(super) mod values;
