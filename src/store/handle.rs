//! The handle of a store: open, read, write, collect garbage.

use super::head::{HeadRecord, read_head};
use super::inner::StoreInner;
use super::layout::log_keys;
use super::layout::meta_keys;
use super::layout::names::NameCatalog;
use super::layout::values;
use super::open::error::OpenError;
use super::open::opening::{self, OpenedDatabase};
use super::open::presence::FolderPresence;
use super::open::scratch::ScratchFolder;
use super::options::{StoreId, StoreOptions};
use super::pins::{Pin, Pins};
use super::prepared::PreparedRevisions;
use super::read::snapshot::{Snapshot, SnapshotError};
use super::rocks::column_family::{ColumnFamily, Db};
use super::rocks::source::{ReadSource, ReadTier};
use super::visibility::Visibility;
use super::write::clock::WriteClock;
use super::write::error::{TransactionError, WriteError};
use super::write::garbage::{self, CollectionStats};
use super::write::health::WriteHealth;
use super::write::job::{JobKind, WriteJob, WriteOutcome};
use super::write::options::WriteOptions;
use super::write::preparing::PreparingTurn;
use super::write::queue::{Queue, QueueFull, QueueSlot};
use super::write::resources::{Reserve, SystemResources};
use super::write::rollback;
use super::write::spill::{self, SpillFile};
use super::write::spill_quota::{SpillError, SpillQuota};
use super::write::totals::WriterTotals;
use super::write::transaction::Transaction;
use super::write::writer::WriterThread;
use crate::relationship::{ReadError, ReadPoint, Revision, Timestamp};
use rocksdb::SnapshotWithThreadMode;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

/// Relationships and schema texts on disk, at every revision within the history window.
///
/// Any number of threads may read and write at the same time. A write is on disk when its call returns. Reads never wait
/// for writes.
pub struct Store {
    id: StoreId,
    pub(super) options: StoreOptions,
    pub(super) pins: Arc<Pins>,
    pub(super) inner: Arc<StoreInner>,
    pub(super) writer: Arc<WriterThread>,
    pub(super) queue: Arc<Queue>,
    pub(super) spill_quota: Arc<SpillQuota>,
    pub(super) preparing: Arc<PreparingTurn>,
    pub(super) dir: PathBuf,
    pub(super) is_read_only: bool,
    is_new: bool,
    /// The folder for the spill files of a store in memory.
    pub(super) scratch: Option<Arc<ScratchFolder>>,
    notes: Arc<[String]>,
}

impl Store {
    /// Opens the data folder `dir`, or creates it.
    pub fn open(dir: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        Self::open_with(dir, options, false)
    }

    /// Opens a data folder whose log may be damaged: the writes that cannot be read are lost. [`Self::notes`] say which. The
    /// damaged files are first copied into a folder `damaged-…` of the data folder.
    pub fn recover(dir: &Path, options: &StoreOptions) -> Result<Self, OpenError> {
        Self::open_with(dir, options, true)
    }

    fn open_with(dir: &Path, options: &StoreOptions, recover: bool) -> Result<Self, OpenError> {
        Self::from_opened(opening::open(dir, options, recover)?, dir, options)
    }

    /// An empty store whose files are in memory until its last handle is dropped. Of the options, only the history window
    /// and the limits of queue and imports matter.
    pub fn in_memory(options: &StoreOptions) -> Result<Self, OpenError> {
        let scratch = ScratchFolder::new()?;
        let dir = scratch.path();
        let store = Self::from_opened(opening::in_memory(dir)?, dir, options)?;
        Ok(Self { scratch: Some(Arc::new(scratch)), ..store })
    }

    /// A read-only handle of the same store.
    #[must_use]
    pub fn read_only(&self) -> Self {
        Self {
            id: self.id,
            options: self.options.clone(),
            pins: Arc::clone(&self.pins),
            inner: Arc::clone(&self.inner),
            writer: Arc::clone(&self.writer),
            queue: Arc::clone(&self.queue),
            spill_quota: Arc::clone(&self.spill_quota),
            preparing: Arc::clone(&self.preparing),
            dir: self.dir.clone(),
            is_read_only: true,
            is_new: self.is_new,
            scratch: self.scratch.clone(),
            notes: Arc::clone(&self.notes),
        }
    }

    fn from_opened(
        opened: OpenedDatabase,
        dir: &Path,
        options: &StoreOptions,
    ) -> Result<Self, OpenError> {
        let io_error =
            |error: std::io::Error| OpenError::Io { path: dir.into(), reason: error.to_string() };
        let OpenedDatabase { db, counters, id, is_new, lock, notes } = opened;
        spill::clear(dir).map_err(io_error)?;

        let (head, names) = read_state(&db).map_err(|error| OpenError::from_read(dir, &error))?;
        let (head, prepared) =
            without_unfinished(&db, head).map_err(|error| unfinished_error(dir, error))?;

        let is_on_disk = lock.is_some();
        // A store that acknowledges writes without a sync may lose them with the power, so it records none.
        let acknowledged = if is_on_disk && options.sync {
            Some(opening::acknowledge(dir, id, head.revision)?)
        } else {
            None
        };
        let resources = if is_on_disk {
            Some(Arc::new(SystemResources::new(dir).map_err(io_error)?))
        } else {
            None
        };
        let presence = is_on_disk.then(|| FolderPresence::of(dir)).transpose().map_err(io_error)?;
        let inner = Arc::new(StoreInner {
            db,
            counters,
            totals: WriterTotals::default(),
            acknowledged,
            health: WriteHealth::default(),
            presence: presence.map(Arc::new),
            resources,
            _lock: lock,
            names: RwLock::new(Arc::new(names)),
            prepared: RwLock::new(Arc::new(prepared)),
            listeners: Mutex::default(),
            sync: options.sync,
            closing: AtomicBool::new(false),
            visibility: Visibility::default(),
        });

        let writer = WriterThread::start(Arc::clone(&inner), head).map_err(io_error)?;
        Ok(Self {
            id,
            options: options.clone(),
            pins: Arc::default(),
            inner,
            writer: Arc::new(writer),
            queue: Queue::new(options.queue),
            spill_quota: SpillQuota::new(options.import_bytes_max),
            preparing: Arc::default(),
            dir: dir.to_owned(),
            is_read_only: false,
            is_new,
            scratch: None,
            notes: notes.into(),
        })
    }

    /// Whether this handle is read-only.
    pub fn is_read_only(&self) -> bool {
        self.is_read_only
    }

    /// Whether there was no store before this one was opened.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// The store's id.
    pub fn id(&self) -> StoreId {
        self.id
    }

    /// How the store works.
    pub fn options(&self) -> &StoreOptions {
        &self.options
    }

    /// Notes for the operator on how the store was opened: repairs, and writes that were lost.
    pub fn notes(&self) -> &[String] {
        &self.notes
    }

    /// The newest revision, without what has expired by `now`.
    pub fn snapshot(&self, now: Timestamp) -> Result<Snapshot<'_>, ReadError> {
        Snapshot::newest(&self.inner, now, ReadTier::Disk)
    }

    /// The newest revision, for reads that must not wait for a disk: they fail with [`ReadError::not_cached`] instead.
    pub fn snapshot_cached(&self, now: Timestamp) -> Result<Snapshot<'_>, ReadError> {
        Snapshot::newest(&self.inner, now, ReadTier::Memory)
    }

    /// A revision, without what has expired by `now`. The revision may be one that no write made.
    pub fn snapshot_at(
        &self,
        revision: Revision,
        now: Timestamp,
    ) -> Result<Snapshot<'_>, SnapshotError> {
        Snapshot::at(&self.inner, revision, now)
    }

    /// The state at a read point of the past: at its revision, or at the newest revision if that is older. An error when any
    /// of it may have been collected: the revision, or relationships that expired after its time.
    pub fn snapshot_as_of(&self, point: ReadPoint) -> Result<Snapshot<'_>, SnapshotError> {
        Snapshot::as_of(&self.inner, point)
    }

    /// Runs `work` on the newest state and commits its changes, together with other waiting writes. Blocks until the write
    /// is on disk. Every write makes a revision, even if it changes nothing. If `work` returns an error, nothing is changed.
    /// If `work` panics, nothing is changed, and the panic is resumed in the calling thread.
    ///
    /// Writes run one after the other, so `work` must not wait for anything, least of all for another write.
    pub fn write<T: Send + 'static, E: Send + 'static>(
        &self,
        clock: impl Into<WriteClock>,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<(Revision, T), WriteError<E>> {
        self.run(WriteOptions::new(clock), work)
    }

    /// The same for a write that may be larger than memory; see [`WriteOptions::large`].
    pub fn write_large<T: Send + 'static, E: Send + 'static>(
        &self,
        clock: impl Into<WriteClock>,
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
        self.inner.require_resources(options.reserve).map_err(WriteError::NoRoom)?;
        self.writer.run(kind(&options), options, work)
    }

    /// The same without waiting: `answer` is called with the outcome on the writer thread, so it must be quick and must not
    /// panic.
    pub fn submit<T: Send + 'static, E: Send + 'static>(
        &self,
        options: WriteOptions,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
        answer: impl FnOnce(WriteOutcome<T, E>) + Send + 'static,
    ) {
        if self.is_read_only {
            return answer(Ok(Err(WriteError::ReadOnly)));
        }
        if let Err(shortage) = self.inner.require_resources(options.reserve) {
            return answer(Ok(Err(WriteError::NoRoom(shortage))));
        }
        self.writer.submit(WriteJob::new(kind(&options), options, work, answer));
    }

    /// A slot in the queue of waiting writes, for a request of so many bytes.
    pub fn admit(&self, bytes: usize) -> Result<QueueSlot, QueueFull> {
        self.queue.admit(bytes)
    }

    /// Ends writing for good: writes that have not begun are refused, and a large write in progress is left unfinished. It is
    /// rolled back when the store is opened again.
    pub fn close_writes(&self) {
        self.inner.closing.store(true, Ordering::Relaxed);
    }

    /// An empty spill file for relationships that will be written together and may not fit into memory.
    pub fn spill_file(&self) -> Result<SpillFile, SpillError> {
        SpillFile::new(&self.dir, &self.spill_quota, self.inner.resources.clone())
    }

    /// Pins a revision: it stays readable until the pin is dropped. Call it while a snapshot of the revision exists.
    pub fn pin(&self, revision: Revision) -> Pin {
        self.pins.revisions.pin(revision)
    }

    /// Pins the expirations after a time: they stay known until the pin is dropped. Call it while a snapshot that knows them
    /// exists.
    pub fn pin_expirations(&self, after: Timestamp) -> Pin<Timestamp> {
        self.pins.expirations.pin(after)
    }

    /// Drops history older than the window, and relationships that expired before it, in small batches between the writes.
    /// Snapshots and pinned revisions stay readable.
    pub fn collect_garbage(
        &self,
        now: Timestamp,
    ) -> Result<CollectionStats, WriteError<TransactionError>> {
        self.inner.require_resources(Reserve::Half).map_err(WriteError::NoRoom)?;
        let bounds = (self.options.history_window, &*self.pins);
        garbage::collect(self.db(), &self.writer, bounds, now)
    }

    /// Calls `listener` after each commit with the newest revision, on the writer thread, so it must be quick and must not
    /// panic.
    pub fn on_commit(&self, listener: impl Fn(Revision) + Send + 'static) {
        let mut listeners = self.inner.listeners.lock().unwrap_or_else(PoisonError::into_inner);
        listeners.push(Box::new(listener));
    }

    /// When the store was last in use, as far as its records show.
    pub fn last_use(&self) -> Result<LastUse, ReadError> {
        let db = self.db();
        let frozen = SnapshotWithThreadMode::new(db);
        let source = ReadSource::snapshot(db, &frozen, ReadTier::Disk);
        let head = read_head(source)?;
        let collected_at = match source.get(ColumnFamily::Meta, meta_keys::COLLECTED)? {
            Some(value) => Some(log_keys::split_time(&value)?.0),
            None => None,
        };
        let newest_revision = (head.revision > Revision::default()).then(|| head.revision.time());
        Ok(LastUse { newest_revision, collected_at })
    }

    pub(super) fn history_window(&self) -> Duration {
        self.options.history_window
    }

    pub(super) fn visibility(&self) -> &Visibility {
        &self.inner.visibility
    }

    pub(super) fn db(&self) -> &Db {
        &self.inner.db
    }

    #[cfg(test)]
    pub(super) fn inner(&self) -> &StoreInner {
        &self.inner
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("id", &self.id).finish_non_exhaustive()
    }
}

fn kind(options: &WriteOptions) -> JobKind {
    if options.is_large { JobKind::Large } else { JobKind::Write }
}

/// When a store was last in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LastUse {
    /// The time of the newest revision; `None` when no write was made.
    pub newest_revision: Option<Timestamp>,
    /// The time of the last garbage collection; `None` when there was none.
    pub collected_at: Option<Timestamp>,
}

/// The head record and the names.
fn read_state(db: &Db) -> Result<(HeadRecord, NameCatalog), ReadError> {
    let snapshot = SnapshotWithThreadMode::new(db);
    let source = ReadSource::snapshot(db, &snapshot, ReadTier::Disk);
    Ok((read_head(source)?, read_names(source)?))
}

/// The head and the prepared revisions, after a chunked write that a crash ended has been rolled back. Prepared revisions that
/// a crash kept from being published are abandoned: the writer removes them while it has nothing else to do.
fn without_unfinished(
    db: &Db,
    mut head: HeadRecord,
) -> Result<(HeadRecord, PreparedRevisions), TransactionError> {
    if let Some(revision) = head.unfinished {
        rollback::roll_back(db, revision, head, &|| false)?;
        head.unfinished = None;
    }

    let snapshot = SnapshotWithThreadMode::new(db);
    let source = ReadSource::snapshot(db, &snapshot, ReadTier::Disk);
    let mut prepared = PreparedRevisions::read(source, head.prepared)?;
    prepared.abandon_all();
    Ok((head, prepared))
}

fn unfinished_error(dir: &Path, error: TransactionError) -> OpenError {
    match error {
        TransactionError::Read(error) => OpenError::from_read(dir, &error),
        TransactionError::Write(_)
        | TransactionError::NoRoom(_)
        | TransactionError::Interrupted => {
            OpenError::Io { path: dir.into(), reason: error.to_string() }
        }
    }
}

fn read_names(source: ReadSource<'_>) -> Result<NameCatalog, ReadError> {
    let mut entries = Vec::new();
    let mut cursor = source.cursor(ColumnFamily::Meta, meta_keys::NAME_PREFIX)?;
    cursor.seek(meta_keys::NAME_PREFIX);
    while let Some((key, value)) = cursor.item()? {
        let text = key.strip_prefix(meta_keys::NAME_PREFIX).map(<[u8]>::to_vec).unwrap_or_default();
        let text = String::from_utf8(text).map_err(ReadError::corrupt)?;
        entries.push((text, values::name_id(value)?));
        cursor.advance();
    }
    Ok(NameCatalog::load(entries)?)
}
