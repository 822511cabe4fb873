//! What RocksDB counts: its tickers, its block cache and its files.

use super::levels::{LevelFiles, LevelReader};
use crate::store::options::StoreOptions;
use rocksdb::statistics::{StatsLevel, Ticker};
use rocksdb::{Cache, Options};
use std::fmt;
use std::fs;
use std::path::Path;

/// Figures of RocksDB. Totals count from when the database was opened; those of its tickers are 0 unless
/// [`StoreOptions::counters`] is set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RocksStatistics {
    /// Bytes in the block cache.
    pub block_cache_bytes: u64,
    /// The most bytes in the block cache.
    pub block_cache_bytes_max: u64,
    /// Blocks that were found in the block cache.
    pub block_cache_hits: u64,
    /// Blocks that were looked for in the block cache and had to be read.
    pub block_cache_misses: u64,
    /// Bytes that were written to the write-ahead log.
    pub log_bytes_written: u64,
    /// Syncs of the write-ahead log.
    pub log_syncs: u64,
    /// Bytes that flushes wrote into table files.
    pub flush_bytes: u64,
    /// Bytes that compactions read.
    pub compaction_bytes_read: u64,
    /// Bytes that compactions wrote.
    pub compaction_bytes_written: u64,
    /// Microseconds for which writes were held up by compactions or flushes.
    pub stall_microseconds: u64,
    /// Table files on disk.
    pub table_files: u64,
    /// Their bytes.
    pub table_bytes: u64,
    /// The table files of each column family on each level.
    pub levels: Vec<LevelFiles>,
    /// Bytes of the files of the write-ahead log.
    pub log_bytes: u64,
}

/// The counters of one database, and the block cache that it was opened with.
pub(in crate::store) struct RocksCounters {
    /// Databases that are opened with a copy of these options count into them.
    pub(super) options: Options,
    pub(super) block_cache: Cache,
    block_cache_bytes: usize,
    counts: bool,
    levels: LevelReader,
}

impl RocksCounters {
    /// Counters for a database that is about to be opened.
    pub(in crate::store) fn new(options: &StoreOptions) -> Self {
        let bytes = options.block_cache_bytes;
        // Its readers take no lock. The size of its entries, blocks of data and of indexes, differs too much to be told.
        let counters = Self::with_cache(Cache::new_hyper_clock_cache(bytes, 0), bytes);
        if !options.counters {
            return counters;
        }
        let Self { mut options, block_cache, block_cache_bytes, levels, .. } = counters;
        options.enable_statistics();
        // No clock is read for it.
        options.set_statistics_level(StatsLevel::ExceptHistogramOrTimers);
        Self { options, block_cache, block_cache_bytes, counts: true, levels }
    }

    /// A small block cache of this size, and no counters.
    pub(super) fn small(bytes: usize) -> Self {
        Self::with_cache(Cache::new_lru_cache(bytes), bytes)
    }

    fn with_cache(block_cache: Cache, block_cache_bytes: usize) -> Self {
        Self {
            options: Options::default(),
            block_cache,
            block_cache_bytes,
            counts: false,
            levels: LevelReader::default(),
        }
    }

    /// The figures of the database in this folder, which was opened with these.
    pub(in crate::store) fn statistics(&self, folder: &Path) -> RocksStatistics {
        let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let ticker = |ticker| if self.counts { self.options.get_ticker_count(ticker) } else { 0 };
        let (table_files, table_bytes, log_bytes) = files(folder);

        RocksStatistics {
            block_cache_bytes: number(self.block_cache.get_usage()),
            block_cache_bytes_max: number(self.block_cache_bytes),
            block_cache_hits: ticker(Ticker::BlockCacheHit),
            block_cache_misses: ticker(Ticker::BlockCacheMiss),
            log_bytes_written: ticker(Ticker::WalFileBytes),
            log_syncs: ticker(Ticker::WalFileSynced),
            flush_bytes: ticker(Ticker::FlushWriteBytes),
            compaction_bytes_read: ticker(Ticker::CompactReadBytes),
            compaction_bytes_written: ticker(Ticker::CompactWriteBytes),
            stall_microseconds: ticker(Ticker::StallMicros),
            table_files,
            table_bytes,
            levels: self.levels.read(folder),
            log_bytes,
        }
    }
}

impl fmt::Debug for RocksCounters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RocksCounters").field("counts", &self.counts).finish_non_exhaustive()
    }
}

/// Number and bytes of the table files, and bytes of the log files. Nothing where the folder cannot be read.
fn files(database: &Path) -> (u64, u64, u64) {
    let (mut tables, mut table_bytes, mut log_bytes) = (0, 0, 0);
    for entry in fs::read_dir(database).into_iter().flatten().flatten() {
        // A file may be removed meanwhile.
        let bytes = entry.metadata().map_or(0, |metadata| metadata.len());
        match entry.path().extension().and_then(|extension| extension.to_str()) {
            Some("sst") => {
                tables += 1;
                table_bytes += bytes;
            }
            Some("log") => log_bytes += bytes,
            _ => {}
        }
    }
    (tables, table_bytes, log_bytes)
}
