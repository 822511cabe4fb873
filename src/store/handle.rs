//! The store's handle: open, read, write.

use super::clock::Clock;
use super::folder::{OpenError, Scratch};
use super::garbage::{self, Collected};
use super::health::WriteHealth;
use super::holds::{Hold, Holds};
use super::job::{Answer, Job, Kind, WriteError, WriteOptions};
use super::keys;
use super::names::Names;
use super::opening::{self, Opened};
use super::pieces;
use super::queue::{Queue, QueueFull, QueueLimits, QueueSlot};
use super::rocks::{Db, Family, Reach, Source};
use super::room::{Reserve, Room};
use super::snapshot::{Snapshot, SnapshotError};
use super::staged::{self, Spill, StageError, Staged};
use super::transaction::Transaction;
use super::values::{self, Head};
use super::visibility::Visibility;
use super::writer::{Shared, Writer};
use crate::relationship::{ReadError, ReadPoint, Revision, Timestamp};
use rocksdb::SnapshotWithThreadMode;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// How a store works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoreOptions {
    /// For how long older revisions can be read. Garbage collection drops what is older.
    pub history_window: Duration,
    /// The most memory for blocks read from disk, their indexes and filters; in bytes.
    pub block_cache_bytes: usize,
    /// The most files that are kept open, beside logs and those that are being written.
    pub open_files_max: u32,
    /// Whether a write is acknowledged only when it is on disk. Without it a power loss can take the last writes, though
    /// never half of one.
    pub sync: bool,
    /// How many writes may wait for their turn.
    pub queue: QueueLimits,
    /// The most disk space for relationships of imports that have not been made yet, in bytes.
    pub import_bytes_max: u64,
}

impl Default for StoreOptions {
    fn default() -> Self {
        Self {
            history_window: Duration::from_hours(24),
            block_cache_bytes: 256 << 20,
            open_files_max: 512,
            sync: true,
            queue: QueueLimits::default(),
            import_bytes_max: 16 << 30,
        }
    }
}

/// Tells stores apart: random, made with the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StoreId(pub [u8; 16]);

/// Relationships and schema texts on disk, at every revision within the history window.
///
/// Any number of threads may read and write at the same time. A write is on disk when its call returns. Reads never
/// wait for writes.
pub struct Store {
    id: StoreId,
    pub(super) options: StoreOptions,
    pub(super) holds: Arc<Holds>,
    pub(super) shared: Arc<Shared>,
    pub(super) writer: Arc<Writer>,
    queue: Arc<Queue>,
    pub(super) spill: Arc<Spill>,
    pub(super) dir: PathBuf,
    pub(super) is_read_only: bool,
    /// Where a store in memory keeps what has to lie on a disk for a while.
    pub(super) scratch: Option<Arc<Scratch>>,
    notes: Arc<[String]>,
}

impl Store {
    /// Opens the data folder `dir`, or makes one where there is nothing.
    pub fn open(dir: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        Self::open_with(dir, options, false)
    }

    /// The same for a store whose log may be damaged: it is opened without the writes that cannot be read, instead of being
    /// refused. [`Self::notes`] say what is lost; the damaged files are copied into a folder `damaged-…` of the data folder
    /// before.
    pub fn recover(dir: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        Self::open_with(dir, options, true)
    }

    fn open_with(dir: &Path, options: &StoreOptions, recover: bool) -> Result<Self, OpenError> {
        let opened = opening::open(dir, options, recover)?;
        let notes = opened.notes.clone().into();
        Ok(Self { notes, ..Self::of(opened, dir, options)? })
    }

    /// An empty store whose files are in memory, and gone with its last handle. Of the options, only the window plays a
    /// part.
    pub fn in_memory(options: &StoreOptions) -> Result<Self, OpenError> {
        let scratch = Scratch::new()?;
        let dir = scratch.path();
        let store = Self::of(opening::in_memory(dir)?, dir, options)?;
        Ok(Self { scratch: Some(Arc::new(scratch)), ..store })
    }

    /// A handle of the same store that refuses to write.
    #[must_use]
    pub fn read_only(&self) -> Self {
        Self {
            id: self.id,
            options: self.options.clone(),
            holds: Arc::clone(&self.holds),
            shared: Arc::clone(&self.shared),
            writer: Arc::clone(&self.writer),
            queue: Arc::clone(&self.queue),
            spill: Arc::clone(&self.spill),
            dir: self.dir.clone(),
            is_read_only: true,
            scratch: self.scratch.clone(),
            notes: Arc::clone(&self.notes),
        }
    }

    fn of(opened: Opened, dir: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        let damaged =
            |error: ReadError| OpenError::Damaged { path: dir.into(), reason: error.reason };
        let Opened { db, id, lock, .. } = opened;
        staged::clear(dir)
            .map_err(|error| OpenError::Io { path: dir.into(), reason: error.to_string() })?;
        let (head, names) = {
            let snapshot = SnapshotWithThreadMode::new(&db);
            let source = Source::snapshot(&db, &snapshot, Reach::Disk);
            (read_head(source).map_err(damaged)?, read_names(source).map_err(damaged)?)
        };
        let head = finished(&db, head).map_err(damaged)?;
        let acknowledged = match lock {
            // What is acknowledged without a sync may be lost with the power.
            Some(_) if options.sync => Some(opening::acknowledge(dir, id, head.revision)?),
            Some(_) | None => None,
        };
        let room =
            match lock {
                // What a store in memory needs is not on a disk.
                Some(_) => Some(Arc::new(Room::new(dir).map_err(|error| OpenError::Io {
                    path: dir.into(),
                    reason: error.to_string(),
                })?)),
                None => None,
            };
        let shared = Arc::new(Shared {
            db,
            acknowledged,
            health: WriteHealth::default(),
            room,
            _lock: lock,
            names: RwLock::new(Arc::new(names)),
            bells: Mutex::default(),
            sync: options.sync,
            closing: AtomicBool::new(false),
            visibility: Visibility::default(),
        });
        let writer = Writer::start(Arc::clone(&shared), head)
            .map_err(|error| OpenError::Io { path: dir.into(), reason: error.to_string() })?;
        let options = options.clone();
        let (dir, holds, writer) = (dir.to_owned(), Arc::default(), Arc::new(writer));
        let (is_read_only, scratch, notes) = (false, None, Arc::default());
        let (queue, spill) = (Queue::new(options.queue), Spill::new(options.import_bytes_max));
        Ok(Self {
            id,
            options,
            holds,
            shared,
            writer,
            queue,
            spill,
            dir,
            is_read_only,
            scratch,
            notes,
        })
    }

    /// Whether this handle refuses to write.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// The store's id.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// What the operator should know about how the store was opened: repairs, and writes that were given up.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The newest revision, without what has expired by `now`.
    pub fn snapshot(&self, now: Timestamp) -> Result<Snapshot<'_>, ReadError> {
        Snapshot::newest(self, now, Reach::Disk)
    }

    /// The newest revision, for reads that must not wait for a disk: they fail as [`ReadError::not_in_memory`] instead.
    pub fn snapshot_in_memory(&self, now: Timestamp) -> Result<Snapshot<'_>, ReadError> {
        Snapshot::newest(self, now, Reach::Memory)
    }

    /// One revision, without what has expired by `now`. The revision need not be one that a write made.
    pub fn snapshot_at(
        &self,
        revision: Revision,
        now: Timestamp,
    ) -> Result<Snapshot<'_>, SnapshotError> {
        Snapshot::at(self, revision, now)
    }

    /// What was stored at a read point of the past: its revision, or the newest where that is older. Refused when anything
    /// of it may have been collected: old revisions, or relationships that expired after its time.
    pub fn snapshot_as_of(&self, point: ReadPoint) -> Result<Snapshot<'_>, SnapshotError> {
        Snapshot::as_of(self, point)
    }

    /// Runs `work` on the newest state and commits what it changed, together with other writes that wait. Blocks until
    /// the write is on disk. Every write makes a revision, also one that changes nothing; an `Err` from `work` leaves
    /// nothing behind. A panic of `work` leaves nothing behind either, and goes on in the calling thread.
    ///
    /// Writes are made one after the other, so `work` should not wait for anything, least of all for another write.
    pub fn write<T: Send + 'static, E: Send + 'static>(
        &self,
        clock: impl Into<Clock>,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<(Revision, T), WriteError<E>> {
        self.run(WriteOptions::new(clock), work)
    }

    /// The same for a write that may be larger than memory; see [`WriteOptions::large`].
    pub fn write_large<T: Send + 'static, E: Send + 'static>(
        &self,
        clock: impl Into<Clock>,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<(Revision, T), WriteError<E>> {
        self.run(WriteOptions::new(clock).large(), work)
    }

    fn run<T: Send + 'static, E: Send + 'static>(
        &self,
        options: WriteOptions,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<(Revision, T), WriteError<E>> {
        if self.is_read_only {
            return Err(WriteError::ReadOnly);
        }
        self.shared.require_room(options.reserve).map_err(WriteError::NoRoom)?;
        self.writer.run(kind(&options), options, work)
    }

    /// The same without waiting: `answer` is called with the outcome, from the writer's thread: it must be quick and not
    /// panic.
    pub fn submit<T: Send + 'static, E: Send + 'static>(
        &self,
        options: WriteOptions,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
        answer: impl FnOnce(Answer<T, E>) + Send + 'static,
    ) {
        if self.is_read_only {
            return answer(Ok(Err(WriteError::ReadOnly)));
        }
        if let Err(shortage) = self.shared.require_room(options.reserve) {
            return answer(Ok(Err(WriteError::NoRoom(shortage))));
        }
        self.writer.submit(Job::new(kind(&options), options, work, answer));
    }

    /// A slot in the queue of the writes that wait, for a request of so many bytes.
    pub fn admit(&self, bytes: usize) -> Result<QueueSlot, QueueFull> {
        self.queue.admit(bytes)
    }

    /// Ends writing for good: what has not begun is refused, and a large write under way is left unfinished. It is taken
    /// back when the store is opened again.
    pub fn close_writes(&self) {
        self.shared.closing.store(true, Ordering::Relaxed);
    }

    /// Room for relationships that are to be written together, and may be more than fit into memory.
    pub fn stage(&self) -> Result<Staged, StageError> {
        Staged::new(&self.dir, &self.spill, self.shared.room.clone())
    }

    /// Keeps a revision readable for as long as the hold lives. Take it while a snapshot of the revision is alive.
    pub fn hold(&self, revision: Revision) -> Hold {
        self.holds.revisions.hold(revision)
    }

    /// Keeps the expirations behind a time known for as long as the hold lives. Take it while a snapshot that knows them
    /// is alive.
    pub fn hold_expirations(&self, after: Timestamp) -> Hold<Timestamp> {
        self.holds.expirations.hold(after)
    }

    /// Drops history older than the window, and relationships that expired before it. Snapshots and held revisions
    /// keep what they show. Drops in small batches between the writes.
    pub fn collect_garbage(&self, now: Timestamp) -> Result<Collected, WriteError<ReadError>> {
        self.shared.require_room(Reserve::Half).map_err(WriteError::NoRoom)?;
        let bounds = (self.options.history_window, &*self.holds);
        garbage::collect(self.db(), &self.writer, bounds, now)
    }

    /// Has `bell` called after each commit with the newest revision, from the writer's thread: it must be quick and not
    /// panic.
    pub fn on_commit(&self, bell: impl Fn(Revision) + Send + 'static) {
        let mut bells = self.shared.bells.lock().unwrap_or_else(PoisonError::into_inner);
        bells.push(Box::new(bell));
    }

    /// When the store was in use before, as far as that can be told.
    pub fn last_use(&self) -> Result<LastUse, ReadError> {
        let db = self.db();
        let frozen = SnapshotWithThreadMode::new(db);
        let source = Source::snapshot(db, &frozen, Reach::Disk);
        let head = read_head(source)?;
        let collected_at = match source.get(Family::Meta, keys::COLLECTED)? {
            Some(value) => Some(keys::take_time(&value)?.0),
            None => None,
        };
        let newest_revision = (head.revision > Revision::default()).then(|| head.revision.time());
        Ok(LastUse { newest_revision, collected_at })
    }

    pub(super) fn history_window(&self) -> Duration {
        self.options.history_window
    }

    pub(super) fn visibility(&self) -> &Visibility {
        &self.shared.visibility
    }

    pub(super) fn db(&self) -> &Db {
        &self.shared.db
    }

    #[cfg(test)]
    pub(super) fn shared(&self) -> &Shared {
        &self.shared
    }

    pub(super) fn names(&self) -> Arc<Names> {
        self.shared.names()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("id", &self.id).finish_non_exhaustive()
    }
}

fn kind(options: &WriteOptions) -> Kind {
    if options.is_large { Kind::Large } else { Kind::Write }
}

/// When a store was in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastUse {
    /// The time of the newest revision; `None` when there is none.
    pub newest_revision: Option<Timestamp>,
    /// The time for which garbage was collected last; `None` when it never was.
    pub collected_at: Option<Timestamp>,
}

/// The head record.
pub(super) fn read_head(source: Source<'_>) -> Result<Head, ReadError> {
    let value = source.get(Family::Meta, keys::HEAD)?;
    let value = value.ok_or_else(|| ReadError::new("the head record is missing"))?;
    Ok(Head::from_bytes(&value)?)
}

/// The head, after what was left of a write in pieces has been taken back.
fn finished(db: &Db, head: Head) -> Result<Head, ReadError> {
    if let Some(revision) = head.unfinished {
        pieces::take_back(db, revision, head, &|| false)?;
    }
    Ok(Head { unfinished: None, ..head })
}

fn read_names(source: Source<'_>) -> Result<Names, ReadError> {
    let mut entries = Vec::new();
    let mut cursor = source.cursor(Family::Meta, keys::NAME_PREFIX)?;
    cursor.seek(keys::NAME_PREFIX);
    while let Some((key, value)) = cursor.item()? {
        let text = key.strip_prefix(keys::NAME_PREFIX).map(<[u8]>::to_vec).unwrap_or_default();
        let text = String::from_utf8(text).map_err(ReadError::new)?;
        entries.push((text, values::name_id(value)?));
        cursor.advance();
    }
    Ok(Names::load(entries)?)
}
