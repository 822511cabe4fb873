//! Writes: each is examined on a snapshot, then confirmed and applied by the one writer.

pub(super) mod bootstrap;
pub(super) mod candidates;
pub(super) mod counters;
pub(super) mod delete;
pub(super) mod delete_object;
pub(super) mod import;
pub(super) mod proposal;
pub(super) mod read_set;
pub(super) mod relationships;
pub(super) mod requirements;
pub(super) mod schema;
pub(super) mod set_relation;
