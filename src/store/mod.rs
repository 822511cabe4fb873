//! The history: relationships and schema texts in RocksDB, by revision.
//!
//! A write gives a [`Revision`](crate::relationship::Revision); a [`Snapshot`] answers reads at one. What lives at the
//! newest revision lies apart from what has died, so that reading the present never pays for the past.
//!
//! Invariants: the room knows no schema, only its text. An acknowledged write survives; one that was not acknowledged
//! is there whole or not at all. A revision shows every write up to it and none after.

mod acknowledged;
mod as_of;
mod budget;
mod changelog;
mod clock;
mod counters;
mod direct;
mod examine;
mod expirations;
mod folder;
mod garbage;
mod handle;
mod health;
mod holds;
mod job;
mod key_hashes;
mod keys;
mod log_batch;
mod log_scan;
mod marker;
mod matches;
mod names;
mod opening;
mod ordered;
mod ordered_subjects;
mod pieces;
mod plan;
mod queue;
mod reads;
mod reopen;
mod rocks;
mod room;
mod rows;
mod snapshot;
mod staged;
mod time;
mod transaction;
mod values;
mod visibility;
mod writer;

pub use as_of::TimeError;
pub use budget::ScanBudget;
pub use changelog::{Change, ChangePosition};
pub use clock::Clock;
pub use expirations::{ExpirationPosition, Expirations};
pub use folder::OpenError;
pub use garbage::Collected;
pub use handle::{LastUse, Store, StoreId, StoreOptions};
pub use holds::Hold;
pub use job::{Answer, Interrupted, WriteError, WriteOptions};
pub use plan::{InvalidPosition, ScanPosition};
pub use queue::{QueueFull, QueueLimits, QueueSlot};
pub use reads::{ScanPage, SchemaText};
pub use reopen::ClosedStore;
pub use room::Shortage;
pub use snapshot::{Snapshot, SnapshotError};
pub use staged::{StageError, Staged};
pub use transaction::Transaction;

#[cfg(test)]
mod tests;
