//! The services of `kilwa.v1`, which extend `authzed.api.v1`.

pub(crate) mod history;
pub(crate) mod lookup;
pub(crate) mod permissions;
pub(crate) mod relationships;
pub(crate) mod validation;
