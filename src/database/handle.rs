//! The database's handle.

use super::consistency::Consistency;
use super::error::DatabaseError;
use super::read::lookup_resources::LookupPool;
use super::read::view::View;
use super::schema_cache::SchemaCache;
use super::write::bootstrap;
use super::write::delete::{DeleteRequest, DeletionSummary};
use super::write::delete_object::{DeleteObjectRequest, ReferenceCounts};
use super::write::proposal::Caller;
use super::write::relationships::WriteRequest;
use super::write::schema::WriteSchema;
use super::write::set_relation::{RelationDiff, SetRelationRequest};
use crate::engine::{Cache, CheckQuery, CheckResult, Limits, Stopwatch};
use crate::relationship::{Relationship, Revision, Timestamp};
use crate::store::{
    ClosedStore, CollectionStats, OpenError, Store, StoreId, StoreOptions, WriteClock,
};
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What the database allows, and how much it remembers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DatabaseOptions {
    /// How much one question may cost.
    pub limits: Limits,
    /// The most memory for answers that questions share, in bytes; 0 for none.
    pub cache_bytes: usize,
    /// The most memory for all lookups that are under way, in bytes.
    pub lookups_bytes_max: usize,
    /// The most memory for lookups that wait for their next page, in bytes; 0 for none.
    pub waiting_lookups_bytes: usize,
    /// The most updates of one write.
    pub updates_max: usize,
    /// The most preconditions of one write or deletion.
    pub preconditions_max: usize,
    /// The largest limit of one deletion.
    pub delete_limit_max: u32,
    /// The largest metadata of a write or deletion, in bytes of JSON.
    pub metadata_bytes_max: usize,
}

impl Default for DatabaseOptions {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            cache_bytes: 64 << 20,
            lookups_bytes_max: 1 << 30,
            waiting_lookups_bytes: 32 << 20,
            updates_max: 1000,
            preconditions_max: 1000,
            delete_limit_max: 1000,
            metadata_bytes_max: 65_000,
        }
    }
}

/// Schema and relationships, at every revision that is kept. Any number of threads may use it at the same time.
#[derive(Debug)]
pub struct Database {
    pub(super) store: Store,
    pub(super) schemas: Arc<SchemaCache>,
    pub(super) cache: Arc<Cache>,
    pub(super) lookups: Arc<LookupPool>,
    pub(super) options: DatabaseOptions,
    pub(super) change_log_reads: Arc<AtomicU64>,
}

impl Database {
    /// The database of a store.
    pub fn new(store: Store, options: DatabaseOptions) -> Self {
        let cache = Arc::new(Cache::new(options.cache_bytes));
        let lookups = LookupPool::new(options.lookups_bytes_max, options.waiting_lookups_bytes);
        let lookups = Arc::new(lookups);
        let (schemas, change_log_reads) = (Arc::default(), Arc::default());
        Self { store, schemas, cache, lookups, options, change_log_reads }
    }

    /// The database in a data folder, which is made when there is none.
    pub fn open(
        dir: &Path,
        store: &StoreOptions,
        options: DatabaseOptions,
    ) -> Result<Self, OpenError> {
        Ok(Self::new(Store::open(dir, store)?, options))
    }

    /// An empty database in memory, gone with its last handle.
    pub fn in_memory(store: &StoreOptions, options: DatabaseOptions) -> Result<Self, OpenError> {
        Ok(Self::new(Store::in_memory(store)?, options))
    }

    /// A handle of the same database that refuses to write, with [`DatabaseError::ReadOnly`].
    #[must_use]
    pub fn read_only(&self) -> Self {
        Self {
            store: self.store.read_only(),
            schemas: Arc::clone(&self.schemas),
            cache: Arc::clone(&self.cache),
            lookups: Arc::clone(&self.lookups),
            options: self.options,
            change_log_reads: Arc::clone(&self.change_log_reads),
        }
    }

    /// Why no write is taken until the database is opened again; `None` while writes are taken.
    pub fn writes_stopped(&self) -> Option<String> {
        self.store.writes_stopped()
    }

    /// Whether the data folder can be written again; an error says what stands in the way.
    pub fn probe(&self) -> io::Result<()> {
        self.store.probe()
    }

    /// Closes the database, so that its folder can be opened again. Gives it back when another handle of it exists, or
    /// when it is in memory.
    pub fn close(self) -> Result<ClosedDatabase, Box<Self>> {
        let Self { store, schemas, cache, lookups, options, change_log_reads } = self;
        match store.close() {
            Ok(store) => {
                Ok(ClosedDatabase { store, schemas, cache, lookups, options, change_log_reads })
            }
            Err(store) => {
                let store = *store;
                Err(Box::new(Self { store, schemas, cache, lookups, options, change_log_reads }))
            }
        }
    }

    /// The id of the store; revisions of other stores mean nothing here.
    pub fn store_id(&self) -> StoreId {
        self.store.id()
    }

    /// What is allowed.
    pub fn options(&self) -> &DatabaseOptions {
        &self.options
    }

    /// Schema and relationships at a revision that `consistency` allows, without what has expired by `now`.
    pub fn view(
        &self,
        consistency: Consistency,
        now: Timestamp,
    ) -> Result<View<'_>, DatabaseError> {
        View::new(self, consistency.snapshot(&self.store, now)?, consistency.time(now))
    }

    /// The revision that shows what was stored at a time, for [`Consistency::AsOf`].
    pub fn revision_at(&self, time: Timestamp, now: Timestamp) -> Result<Revision, DatabaseError> {
        Ok(self.store.revision_at(time, now)?)
    }

    /// Answers one question if that takes little time and no disk, so that a thread may do so which must not be held up.
    /// Gives the revision with the answer; `None` when it might take longer: ask a [`Self::view`] then.
    pub fn check_in_memory(
        &self,
        consistency: Consistency,
        now: Timestamp,
        stopwatch: Stopwatch<'_>,
        question: &CheckQuery<'_>,
    ) -> Option<(Revision, Result<CheckResult, DatabaseError>)> {
        let view = View::in_memory(self, consistency, now)?.timed_by(stopwatch);
        Some((view.revision(), view.check_in_memory(question)?))
    }

    /// Makes every update of a request or none.
    pub fn write(
        &self,
        clock: impl Into<WriteClock>,
        request: WriteRequest,
    ) -> Result<Revision, DatabaseError> {
        self.execute(&Caller::patient(clock), request).map(|(revision, ())| revision)
    }

    /// Puts a schema into force and adds relationships, all or nothing, however many there are. Says whether it did:
    /// a database that has a schema is left alone.
    pub fn bootstrap(
        &self,
        now: Timestamp,
        schema_text: &str,
        relationships: Vec<Relationship>,
    ) -> Result<bool, DatabaseError> {
        bootstrap::bootstrap(self, now, schema_text, relationships)
    }

    /// Deletes the relationships that a filter selects, the expired ones too.
    pub fn delete(
        &self,
        clock: impl Into<WriteClock>,
        request: DeleteRequest,
    ) -> Result<DeletionSummary, DatabaseError> {
        self.execute(&Caller::patient(clock), request).map(|(_, deleted)| deleted)
    }

    /// Gives a relation of one resource exactly the subjects of a request, and says what that changed.
    pub fn set_relation(
        &self,
        clock: impl Into<WriteClock>,
        request: SetRelationRequest,
    ) -> Result<(Revision, RelationDiff), DatabaseError> {
        self.execute(&Caller::patient(clock), request)
    }

    /// Deletes every relationship that names an object, as its resource or as its subject.
    pub fn delete_object(
        &self,
        clock: impl Into<WriteClock>,
        request: DeleteObjectRequest,
    ) -> Result<(Revision, ReferenceCounts), DatabaseError> {
        self.execute(&Caller::patient(clock), request)
    }

    /// Puts a schema into force, unless it has faults or removes what relationships use.
    pub fn write_schema(
        &self,
        clock: impl Into<WriteClock>,
        text: &str,
    ) -> Result<Revision, DatabaseError> {
        let made = self.execute(&Caller::patient(clock), WriteSchema::new(text));
        made.map(|(revision, ())| revision)
    }

    /// Ends writing for good: writes that have not begun are refused, and a large one under way is broken off.
    pub fn close_writes(&self) {
        self.store.close_writes();
    }

    /// Forgets history that is older than the store's window, and relationships that expired before it.
    pub fn collect_garbage(&self, now: Timestamp) -> Result<CollectionStats, DatabaseError> {
        Ok(self.store.collect_garbage(now)?)
    }

    /// How often the change log has been read since the database was opened. It does not grow with the number of those
    /// who follow the database and have reached its head.
    pub fn change_log_reads(&self) -> u64 {
        self.change_log_reads.load(Ordering::Relaxed)
    }

    /// Has `bell` called after each commit with the newest revision. It must be quick and not panic.
    pub fn on_commit(&self, bell: impl Fn(Revision) + Send + 'static) {
        self.store.on_commit(bell);
    }
}

/// A closed database, with what stays valid when it is opened again: all of it belongs to revisions that were committed.
#[derive(Debug)]
pub struct ClosedDatabase {
    store: ClosedStore,
    schemas: Arc<SchemaCache>,
    cache: Arc<Cache>,
    lookups: Arc<LookupPool>,
    options: DatabaseOptions,
    change_log_reads: Arc<AtomicU64>,
}

impl ClosedDatabase {
    /// Opens the database again. May be tried again when it fails.
    pub fn open(&mut self) -> Result<Database, OpenError> {
        Ok(Database {
            store: self.store.open()?,
            schemas: Arc::clone(&self.schemas),
            cache: Arc::clone(&self.cache),
            lookups: Arc::clone(&self.lookups),
            options: self.options,
            change_log_reads: Arc::clone(&self.change_log_reads),
        })
    }
}
