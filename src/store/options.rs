//! Options and identity of a store.

use super::write::queue::QueueLimits;
use std::time::Duration;

/// How a store works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// For how long older revisions can be read. Garbage collection drops what is older.
    pub history_window: Duration,
    /// The most memory for blocks read from disk, their indexes and filters; in bytes.
    pub block_cache_bytes: usize,
    /// The most files that are kept open, besides logs and files that are being written.
    pub open_files_max: u32,
    /// Whether a write is acknowledged only when it is on disk. Without it a power loss can take the last writes, though
    /// never half of one.
    pub sync: bool,
    /// Whether a folder that is missing or has no store is refused, instead of getting a new store.
    pub require_existing: bool,
    /// Whether RocksDB counts blocks, bytes and stalls, for [`RocksStatistics`](super::RocksStatistics).
    pub counters: bool,
    /// How many writes may wait for their turn.
    pub queue: QueueLimits,
    /// The most disk space for relationships of imports that have not been made yet, in bytes.
    pub import_bytes_max: u64,
    /// The most relationships of an import that the writer adds in one turn. An import of more is prepared in several turns, with
    /// other writes in between.
    pub piece_rows_max: usize,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            history_window: Duration::from_hours(24),
            block_cache_bytes: 256 << 20,
            open_files_max: 512,
            sync: true,
            require_existing: false,
            counters: false,
            queue: QueueLimits::default(),
            import_bytes_max: 16 << 30,
            piece_rows_max: 1_000,
        }
    }
}

/// Identifies a store: a random number, chosen when the store is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoreId(pub [u8; 16]);

impl StoreId {
    /// The id as 32 hexadecimal digits.
    pub(super) fn hex(self) -> String {
        format!("{:032x}", u128::from_be_bytes(self.0))
    }
}
