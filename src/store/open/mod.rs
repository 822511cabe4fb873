//! Opening a data folder: its files, the checks before RocksDB opens them, recovery, and reopening within a process.

pub(super) mod acknowledged;
pub(super) mod data_folder;
pub(super) mod error;
mod examine;
mod log_batch;
pub(super) mod log_scan;
mod marker;
pub(super) mod opening;
pub(super) mod presence;
pub(super) mod reopen;
pub(super) mod scratch;
