//! RocksDB: how it is opened and tuned, and one way to read that serves snapshots and transactions alike.

use super::column_family::{ColumnFamily, Db};
use super::counters::RocksCounters;
use super::error::open_error;
use crate::relationship::Revision;
use crate::store::head::HeadRecord;
use crate::store::layout::meta_keys;
use crate::store::open::error::OpenError;
use crate::store::options::StoreOptions;
use rocksdb::{
    BlockBasedIndexType, BlockBasedOptions, ColumnFamilyDescriptor, DBCompressionType,
    DBRecoveryMode, DataBlockIndexType, Env, LogLevel, Options, TransactionDBOptions,
};
use std::fs;
use std::path::Path;

/// Bits of bloom filter per key: about one in a hundred lookups of a missing key reads a block.
const BLOOM_BITS: f64 = 10.0;
/// Keys for each place of the hash table in a block.
const DATA_BLOCK_HASH_RATIO: f64 = 0.75;
/// The part of a write buffer that its bloom filter may take.
const MEMTABLE_BLOOM_RATIO: f64 = 0.02;
const BLOCK_BYTES: usize = 8 << 10;
const WRITE_BUFFER_BYTES: usize = 16 << 20;
const WRITE_BUFFERS_BYTES: usize = 64 << 20;
/// A database in memory needs small buffers, and there may be thousands of them.
const WRITE_BUFFER_BYTES_IN_MEMORY: usize = 256 << 10;
const BLOCK_CACHE_BYTES_IN_MEMORY: usize = 1 << 20;
const WAL_BYTES_MAX: u64 = 128 << 20;
/// For a database that is opened only to read its head, before the process serves requests.
const OPEN_FILES_MAX_TO_PEEK: i32 = 64;
/// A store in memory opens no files.
const OPEN_FILES_MAX_IN_MEMORY: u32 = 512;
const INFO_LOG_BYTES_MAX: usize = 1 << 20;
const INFO_LOGS_MAX: usize = 2;
/// A stretch of so many keys, half of them deleted, is compacted away.
const DELETIONS_WINDOW: usize = 4096;

/// How strict the database is with its log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Recovery {
    /// There is no database yet: it is created.
    Create,
    /// Everything in the log must be whole, and no file of it may be missing.
    Complete,
    /// The log is read up to its first damage; what comes after that is lost.
    UpToDamage,
}

/// How the database of a data folder is opened.
pub(in crate::store) struct DatabaseOpening {
    open_files_max: u32,
    pub(in crate::store) counters: RocksCounters,
}

impl DatabaseOpening {
    /// An opening with these options.
    pub(in crate::store) fn new(options: &StoreOptions) -> Self {
        Self { open_files_max: options.open_files_max, counters: RocksCounters::new(options) }
    }

    /// Opens the database in its folder.
    pub(in crate::store) fn open(
        &self,
        path: &Path,
        recovery: Recovery,
    ) -> Result<Db, rocksdb::Error> {
        open(path, self, recovery)
    }
}

fn open(path: &Path, opening: &DatabaseOpening, recovery: Recovery) -> Result<Db, rocksdb::Error> {
    let counters = &opening.counters;
    let families = family_options(&table_options(counters), WRITE_BUFFER_BYTES);
    let create = recovery == Recovery::Create;
    let mut options = database_options(counters, create, opening.open_files_max);

    // The families are flushed together: even if the log is lost, the table files hold one revision.
    options.set_atomic_flush(true);
    options.set_wal_recovery_mode(match recovery {
        Recovery::Create | Recovery::Complete => DBRecoveryMode::AbsoluteConsistency,
        Recovery::UpToDamage => DBRecoveryMode::PointInTime,
    });
    // Each log file names its predecessor, so that a missing one is noticed. That also refuses a folder without any,
    // which is one of the cases that recovery is for.
    if recovery != Recovery::UpToDamage || has_log(path) {
        options = options.get_options_from_string("track_and_verify_wals=true")?;
    }
    open_at(path, &options, &families)
}

fn has_log(path: &Path) -> bool {
    let mut entries = fs::read_dir(path).into_iter().flatten().flatten();
    entries.any(|entry| entry.path().extension().is_some_and(|extension| extension == "log"))
}

/// The newest revision that would be there if the database were opened with [`Recovery::UpToDamage`]. Changes nothing.
pub(in crate::store) fn peek(path: &Path) -> Result<Option<Revision>, rocksdb::Error> {
    let mut options = Options::default();
    options.set_wal_recovery_mode(DBRecoveryMode::PointInTime);
    options.set_max_open_files(OPEN_FILES_MAX_TO_PEEK);
    if has_log(path) {
        options = options.get_options_from_string("track_and_verify_wals=true")?;
    }
    let names = ColumnFamily::ALL.map(ColumnFamily::name);
    let db = rocksdb::DB::open_cf_for_read_only(&options, path, names, false)?;
    let Some(meta) = db.cf_handle(ColumnFamily::Meta.name()) else { return Ok(None) };
    let head = db.get_pinned_cf(meta, meta_keys::HEAD)?;
    Ok(head.and_then(|bytes| HeadRecord::from_bytes(&bytes).ok()).map(|head| head.revision))
}

/// Opens an empty database whose files are in memory, and gone with it.
pub(in crate::store) fn open_in_memory(dir: &Path) -> Result<(Db, RocksCounters), OpenError> {
    let counters = RocksCounters::small(BLOCK_CACHE_BYTES_IN_MEMORY);
    let families = family_options(&table_options(&counters), WRITE_BUFFER_BYTES_IN_MEMORY);
    let open = || {
        let mut options = database_options(&counters, true, OPEN_FILES_MAX_IN_MEMORY);
        options.set_env(&Env::mem_env()?);
        open_at(dir, &options, &families)
    };
    let db = open().map_err(|error| open_error(dir, &error))?;
    Ok((db, counters))
}

fn open_at(path: &Path, options: &Options, families: &Options) -> Result<Db, rocksdb::Error> {
    let families = ColumnFamily::ALL
        .map(|family| ColumnFamilyDescriptor::new(family.name(), families.clone()));
    Db::open_cf_descriptors(options, &TransactionDBOptions::default(), path, families)
}

fn database_options(counters: &RocksCounters, create: bool, open_files_max: u32) -> Options {
    let mut options = counters.options.clone();
    options.create_if_missing(create);
    options.create_missing_column_families(create);
    options.set_max_open_files(i32::try_from(open_files_max).unwrap_or(i32::MAX));
    options.set_db_write_buffer_size(WRITE_BUFFERS_BYTES);
    options.set_max_total_wal_size(WAL_BYTES_MAX);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(INFO_LOG_BYTES_MAX);
    options.set_keep_log_file_num(INFO_LOGS_MAX);
    options
}

fn family_options(table: &BlockBasedOptions, write_buffer_bytes: usize) -> Options {
    let mut options = Options::default();
    options.set_block_based_table_factory(table);
    options.set_compression_type(DBCompressionType::Lz4);
    options.set_write_buffer_size(write_buffer_bytes);
    // Transactions ask for buffers to be kept after they are on disk, to find conflicts between writers. There is one
    // writer, so the least that can be asked for is enough.
    options.set_max_write_buffer_size_to_maintain(1);
    // A key that was never written, or long ago, is not searched for among the newest rows.
    options.set_memtable_prefix_bloom_ratio(MEMTABLE_BLOOM_RATIO);
    options.set_memtable_whole_key_filtering(true);
    // Garbage collection deletes from the start of a family; without this each pass would step over the tombstones of
    // the last one.
    options.add_compact_on_deletion_collector_factory(DELETIONS_WINDOW, DELETIONS_WINDOW / 2, 0.5);
    options
}

fn table_options(counters: &RocksCounters) -> BlockBasedOptions {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(&counters.block_cache);
    table.set_block_size(BLOCK_BYTES);
    table.set_bloom_filter(BLOOM_BITS, false);
    // Point reads find the key within a block by its hash.
    table.set_data_block_index_type(DataBlockIndexType::BinaryAndHash);
    table.set_data_block_hash_ratio(DATA_BLOCK_HASH_RATIO);
    // Filters and indexes count against the cache, so that memory is bounded whatever is stored.
    table.set_cache_index_and_filter_blocks(true);
    table.set_pin_l0_filter_and_index_blocks_in_cache(true);
    // They are cut into blocks of their own. Whole, those of a large file are megabytes, too much for a part of the cache,
    // and would be read for every key that is looked for.
    table.set_index_type(BlockBasedIndexType::TwoLevelIndexSearch);
    table.set_partition_filters(true);
    table
}
