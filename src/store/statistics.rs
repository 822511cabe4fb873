//! Figures of a store for its operator.

use super::handle::Store;
use super::open::data_folder::DATABASE;
use super::rocks::counters::RocksStatistics;
use super::write::resources::DiskSpace;

/// Figures of a store, as they are now. Totals count from when the store was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StoreStatistics {
    /// Writes that wait for the writer or are being made.
    pub queued_writes: u64,
    /// The bytes that these writes hold.
    pub queued_bytes: u64,
    /// Writes that were refused because too many waited.
    pub refused_writes: u64,
    /// Commits of the writer, each for one group of writes.
    pub commits: u64,
    /// Writes in these groups.
    pub committed_writes: u64,
    /// The space on the disk of the data folder, where there is one.
    pub disk: Option<DiskSpace>,
    /// What RocksDB says of itself.
    pub rocksdb: RocksStatistics,
}

impl Store {
    /// Figures of the store, as they are now. Reads no data.
    pub fn statistics(&self) -> StoreStatistics {
        let (queued_writes, queued_bytes) = self.queue.load();
        let (commits, committed_writes) = self.inner.totals.read();
        StoreStatistics {
            queued_writes,
            queued_bytes,
            refused_writes: self.queue.refused(),
            commits,
            committed_writes,
            disk: self.inner.disk_space(),
            rocksdb: self.inner.counters.statistics(&self.dir.join(DATABASE)),
        }
    }
}
