//! The byte layout of what is stored: keys, values and the catalog of names.

pub(super) mod keys;
pub(super) mod names;
pub(super) mod values;
