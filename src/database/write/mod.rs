//! Writes: each is examined on a snapshot, then confirmed and applied by the one writer.

pub(super) mod bootstrap;
pub(super) mod candidates;
mod change_log;
mod confirmation;
pub(super) mod counters;
pub(super) mod delete;
pub(super) mod delete_object;
pub(super) mod import;
mod large_deletion;
pub(super) mod prerequisites;
pub(super) mod proposal;
mod read_set;
pub(super) mod relationships;
mod removal_uses;
pub(super) mod schema;
pub(super) mod set_relation;
