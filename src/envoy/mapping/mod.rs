//! Mapping files: which requests ask what, as TOML.

mod answers;
mod content;
mod read;
mod rules;
mod shared;
mod subjects;

pub use read::{ExtAuthzMapping, read_mapping};
pub(super) use shared::SharedRules;
