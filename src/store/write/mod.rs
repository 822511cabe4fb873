//! Writes: the queue, the writer thread and its group commit, transactions, chunked writes, imports and garbage collection.

mod batch;
pub(super) mod chunked;
pub(super) mod clock;
pub(super) mod commit_group;
pub(super) mod error;
pub(super) mod failure;
pub(super) mod garbage;
pub(super) mod health;
pub(super) mod job;
pub(super) mod options;
mod piece;
pub(super) mod prepare;
pub(super) mod prepare_deletion;
pub(super) mod preparing;
pub(super) mod queue;
pub(super) mod resources;
pub(super) mod rollback;
mod sorted_rows;
pub(super) mod spill;
pub(super) mod spill_quota;
pub(super) mod totals;
pub(super) mod transaction;
pub(super) mod writer;
