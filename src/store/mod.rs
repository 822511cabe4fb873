//! Relationships and schema texts in RocksDB, by revision.
//!
//! A write returns a [`Revision`](crate::relationship::Revision); a [`Snapshot`] answers reads at one. Live rows and
//! deleted rows are stored in separate column families, so that a read at the newest revision never pays for history.
//!
//! Invariants: the store knows no schema, only its text. An acknowledged write survives; a write that was not acknowledged
//! is there whole or not at all. A revision shows every write up to it and none after it.

mod as_of;
mod counters;
mod handle;
mod head;
mod inner;
mod layout;
mod open;
mod options;
mod pins;
mod prepared;
mod read;
mod rocks;
mod statistics;
mod time;
mod unnamed_file;
mod visibility;
mod write;

pub use as_of::TimeError;
pub use handle::{LastUse, Store};
pub use open::data_folder::is_folder_in_use;
pub use open::error::OpenError;
pub use open::reopen::ClosedStore;
pub use options::{StoreId, StoreOptions};
pub use pins::Pin;
pub use read::changelog::{ChangeLogEntry, ChangePosition};
pub use read::expirations::{ExpirationPage, ExpirationPosition};
pub use read::page::{ScanPage, SchemaText};
pub use read::scan_budget::ScanBudget;
pub use read::scan_position::{InvalidScanPosition, ScanPosition};
pub use read::snapshot::{Snapshot, SnapshotError};
pub use rocks::counters::RocksStatistics;
pub use rocks::levels::LevelFiles;
pub use statistics::StoreStatistics;
pub use write::clock::WriteClock;
pub use write::error::{TransactionError, WriteError};
pub use write::failure::WriteFailure;
pub use write::garbage::CollectionStats;
pub use write::health::WriteStop;
pub use write::job::WriteOutcome;
pub use write::options::{IsInterrupted, WriteOptions};
pub use write::prepare::{PrepareError, PreparedWrite};
pub use write::prepare_deletion::{DeletionCounts, PreparedDeletion};
pub use write::queue::{QueueFull, QueueLimits, QueueSlot};
pub use write::resources::{DiskSpace, Shortage};
pub use write::spill::SpillFile;
pub use write::spill_quota::SpillError;
pub use write::transaction::Transaction;

#[cfg(test)]
mod tests;
