//! Figures of a store for its operator.

use super::handle::Store;

/// Figures of a store, as they are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStatistics {
    /// Writes that wait for the writer or are being made.
    pub queued_writes: u64,
    /// The bytes that these writes hold.
    pub queued_bytes: u64,
}

impl Store {
    /// Figures of the store, as they are now. Reads no data.
    pub fn statistics(&self) -> StoreStatistics {
        let (queued_writes, queued_bytes) = self.queue.load();
        StoreStatistics { queued_writes, queued_bytes }
    }
}
