//! The byte layout of keys and values, and the catalog of names.

pub(super) mod corrupt_bytes;
pub(super) mod keys;
pub(super) mod log_keys;
pub(super) mod meta_keys;
pub(super) mod names;
pub(super) mod values;
pub(super) mod well_formed;
