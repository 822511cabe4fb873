//! The database handle. Each operation extends [`Database`] in the file that implements it.

use super::error::DatabaseError;
use super::lookup_pool::LookupPool;
use super::options::DatabaseOptions;
use super::schema_cache::SchemaCache;
use crate::engine::{Cache, CacheStatistics};
use crate::relationship::{Revision, Timestamp};
use crate::store::{
    ClosedStore, CollectionStats, OpenError, Shortage, Store, StoreId, StoreOptions,
    StoreStatistics, WriteStop,
};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Schema and relationships, at every revision within the history window. Any number of threads may use it at the same time.
#[derive(Debug)]
pub struct Database {
    pub(super) store: Store,
    pub(super) state: DatabaseState,
}

/// The state above the store. It belongs to committed revisions, so it stays valid when the store is closed and opened.
#[derive(Clone, Debug)]
pub(super) struct DatabaseState {
    pub(super) options: DatabaseOptions,
    pub(super) schemas: Arc<SchemaCache>,
    pub(super) cache: Arc<Cache>,
    pub(super) lookups: Arc<LookupPool>,
    pub(super) change_log_reads: Arc<AtomicU64>,
    /// Queries that reached a limit on their work.
    pub(super) limited_queries: Arc<AtomicU64>,
}

impl Database {
    /// A database over an open store.
    pub fn new(store: Store, options: DatabaseOptions) -> Self {
        let lookups = LookupPool::new(options.lookups_bytes_max, options.parked_lookups_bytes);
        let state = DatabaseState {
            options,
            schemas: Arc::default(),
            cache: Arc::new(Cache::new(options.cache_bytes)),
            lookups: Arc::new(lookups),
            change_log_reads: Arc::default(),
            limited_queries: Arc::default(),
        };
        Self { store, state }
    }

    /// Opens the database in a data folder. A missing or empty folder becomes a new database.
    pub fn open(
        dir: &Path,
        store: &StoreOptions,
        options: DatabaseOptions,
    ) -> Result<Self, OpenError> {
        Ok(Self::new(Store::open(dir, store)?, options))
    }

    /// An empty database in memory, deleted with its last handle.
    pub fn in_memory(store: &StoreOptions, options: DatabaseOptions) -> Result<Self, OpenError> {
        Ok(Self::new(Store::in_memory(store)?, options))
    }

    /// Another handle of the same database that refuses writes with [`DatabaseError::ReadOnly`].
    #[must_use]
    pub fn read_only(&self) -> Self {
        Self { store: self.store.read_only(), state: self.state.clone() }
    }

    /// The id of the store. A revision is only valid in the store that created it.
    pub fn store_id(&self) -> StoreId {
        self.store.id()
    }

    /// The options that the database was opened with.
    pub fn options(&self) -> &DatabaseOptions {
        &self.state.options
    }

    /// The reason why writes are refused until the database is reopened; `None` while writes are accepted.
    pub fn writes_stopped(&self) -> Option<WriteStop> {
        self.store.writes_stopped()
    }

    /// Why writes other than deletions are refused for lack of disk space or file descriptors; `None` while they are
    /// accepted.
    pub fn shortage(&self) -> Option<Shortage> {
        self.store.shortage()
    }

    /// Tests with a synced write whether the data folder accepts writes. The error names the obstacle.
    pub fn probe(&self) -> io::Result<()> {
        self.store.probe()
    }

    /// Stops writes for good: queued writes are refused, and a running chunked write is aborted.
    pub fn close_writes(&self) {
        self.store.close_writes();
    }

    /// Closes the database, so that its folder can be opened again. Returns it unchanged when another handle exists, or
    /// when it is in memory.
    pub fn close(self) -> Result<ClosedDatabase, Box<Self>> {
        let Self { store, state } = self;
        match store.close() {
            Ok(store) => Ok(ClosedDatabase { store, state }),
            Err(store) => Err(Box::new(Self { store: *store, state })),
        }
    }

    /// Deletes history that is older than the history window, and relationships that expired before it.
    pub fn collect_garbage(&self, now: Timestamp) -> Result<CollectionStats, DatabaseError> {
        Ok(self.store.collect_garbage(now)?)
    }

    /// The number of reads of the change log since the database was opened. Watchers at the head share one read, so it does
    /// not grow with their number.
    pub fn change_log_reads(&self) -> u64 {
        self.state.change_log_reads.load(Ordering::Relaxed)
    }

    /// The number of queries, on views, that ended because they reached a limit on their work.
    pub fn limited_queries(&self) -> u64 {
        self.state.limited_queries.load(Ordering::Relaxed)
    }

    /// Figures of the store, as they are now.
    pub fn store_statistics(&self) -> StoreStatistics {
        self.store.statistics()
    }

    /// What the cache of answers holds, and what it has dropped.
    pub fn cache_statistics(&self) -> CacheStatistics {
        self.state.cache.statistics()
    }

    /// Registers a callback that runs after each commit with the newest revision. It runs on the writer's thread, so it must
    /// be quick and must not panic.
    pub fn on_commit(&self, callback: impl Fn(Revision) + Send + 'static) {
        self.store.on_commit(callback);
    }
}

/// A closed database, with the caches that stay valid when it is reopened: cached answers and parked lookups belong to
/// committed revisions, and a compiled schema is found only by the revision that wrote it.
#[derive(Debug)]
pub struct ClosedDatabase {
    store: ClosedStore,
    state: DatabaseState,
}

impl ClosedDatabase {
    /// Reopens the database. May be repeated when it fails.
    pub fn open(&mut self) -> Result<Database, OpenError> {
        Ok(Database { store: self.store.open()?, state: self.state.clone() })
    }
}
