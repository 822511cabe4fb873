//! The one writer: a thread that runs writes one after the other and commits those that wait as one batch.
//!
//! A group of writes is one RocksDB transaction. Each write starts at a savepoint: a refused one goes back to it, later
//! ones see what the earlier ones of the group did. One synced commit then acknowledges the whole group.

use super::acknowledged::Acknowledged;
use super::clock::Clock;
use super::folder::FolderLock;
use super::health::WriteHealth;
use super::job::{Failure, Job, Kind, NotBegun, Reply, WriteError, WriteOptions};
use super::names::Names;
use super::pieces::{self, Made, Pieces};
use super::rocks::{self, Db, Family};
use super::room::{Reserve, Room, Shortage};
use super::transaction::Transaction;
use super::values::Head;
use super::visibility::{Batch, Visibility};
use super::{keys, time};
use crate::relationship::{ReadError, Revision};
use std::fmt;
use std::panic::resume_unwind;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, SendError, Sender};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;
use std::time::Duration;

/// The most writes in one batch.
const WRITES_MAX: usize = 256;
/// A batch takes no further write once it holds so many changes.
const CHANGES_MAX: u32 = 10_000;
/// A batch takes no further write once it has been in the making for so long, so that a fast write does not wait for the
/// slow ones that came after it.
const TIME_MAX: Duration = Duration::from_millis(5);

/// Called with the revision of each commit.
pub(super) type Bell = Box<dyn Fn(Revision) + Send>;

/// What the writer's thread shares with the store.
pub(super) struct Shared {
    pub(super) db: Db,
    /// The names that committed rows may use.
    pub(super) names: RwLock<Arc<Names>>,
    pub(super) bells: Mutex<Vec<Bell>>,
    pub(super) sync: bool,
    /// Whether no further write is begun, and a large one that has begun is left unfinished.
    pub(super) closing: AtomicBool,
    pub(super) visibility: Visibility,
    /// Where acknowledged revisions are recorded; `None` for a store that acknowledges what is not on disk.
    pub(super) acknowledged: Option<Acknowledged>,
    pub(super) health: WriteHealth,
    /// Looks at the system before writes; `None` for a store in memory.
    pub(super) room: Option<Arc<Room>>,
    /// After the database, so that it is let go when that is closed.
    pub(super) _lock: Option<FolderLock>,
}

impl Shared {
    pub(super) fn is_closing(&self) -> bool {
        self.closing.load(Ordering::Relaxed)
    }

    /// Requires what the system must have for a write.
    pub(super) fn require_room(&self, reserve: Reserve) -> Result<(), Shortage> {
        self.room.as_ref().map_or(Ok(()), |room| room.require(reserve, 0))
    }

    pub(super) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn publish(&self, names: &Arc<Names>) {
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(names);
    }

    /// Stores when a batch became visible. Should that fail, times within it are told apart a little worse.
    fn note_visibility(&self, batch: Batch) {
        if let Some((key, value)) = batch.record()
            && let Ok(meta) = Family::Meta.of(&self.db)
        {
            let _not_stored = self.db.put_cf(meta, key, value);
        }
    }

    pub(super) fn ring(&self, revision: Revision) {
        for bell in &*self.bells.lock().unwrap_or_else(PoisonError::into_inner) {
            bell(revision);
        }
    }
}

/// The handle of the writer's thread. Dropped, it waits for the writes under way.
pub(super) struct Writer {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    /// Starts the thread; `head` is the newest moment on disk.
    pub(super) fn start(shared: Arc<Shared>, head: Head) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let named = std::thread::Builder::new().name("kilwa-writer".to_owned());
        let thread = named.spawn(move || serve(&shared, head, &queue))?;
        Ok(Self { jobs: Some(jobs), thread: Some(thread) })
    }

    /// Hands a job to the writer. Should the writer be gone, it is answered at once.
    pub(super) fn submit(&self, job: Job) {
        let unsent = match &self.jobs {
            Some(jobs) => jobs.send(job).err().map(|SendError(job)| job),
            None => Some(job),
        };
        if let Some(job) = unsent {
            job.drop_unmade(NotBegun::Closed);
        }
    }

    /// Runs work on the writer's thread, and waits until it is on disk. Should the work panic, so does this.
    pub(super) fn run<T: Send + 'static, E: Send + 'static>(
        &self,
        kind: Kind,
        options: WriteOptions,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<(Revision, T), WriteError<E>> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.submit(Job::new(kind, options, work, move |answer| {
            // The caller waits for this, unless it is gone with its whole thread.
            let _gone = reply.send(answer);
        }));
        match answer.recv() {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(mpsc::RecvError) => Err(WriteError::Closed),
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A writer that panicked has told its callers so by dropping their replies.
            let _panicked = thread.join();
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

/// Takes jobs until the store is dropped.
///
/// A batch that could not be committed may still turn out to be on disk when the log is read at the next start. A write
/// that was taken after it would then have been made without knowing of it, so none is.
fn serve(shared: &Shared, mut head: Head, queue: &Receiver<Job>) {
    let mut stopped: Option<Failure> = None;
    let mut waiting = None;
    while let Some(first) = waiting.take().or_else(|| queue.recv().ok()) {
        let mut group = Group::begin(shared, head, &first.clock);
        let mut replies = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            if let Some(reason) = unwanted(shared, &job) {
                job.drop_unmade(reason);
                next = queue.try_recv().ok();
                continue;
            }
            // One that may become large is a group of its own.
            let is_large = job.kind == Kind::Large;
            if is_large && !replies.is_empty() {
                waiting = Some(job);
                break;
            }
            replies.push(group.run(job, stopped.as_ref()));
            let is_full = is_large || replies.len() >= WRITES_MAX || group.is_full();
            next = if is_full { None } else { queue.try_recv().ok() };
        }

        let committed = match &stopped {
            None => group.commit(&mut head).map_err(|error| Failure::Commit(error.reason)),
            Some(failure) => Err(failure.clone()),
        };
        if let Err(Failure::Commit(reason)) = &committed {
            stopped = Some(Failure::Stopped(reason.clone()));
            shared.health.stop(reason);
        }
        for reply in replies {
            reply(committed.as_ref().copied());
        }
    }
    if stopped.is_none()
        && let Some(newest) = shared.visibility.newest()
    {
        shared.note_visibility(newest);
    }
}

/// Why a job whose turn has come is not begun.
fn unwanted(shared: &Shared, job: &Job) -> Option<NotBegun> {
    if shared.is_closing() {
        return Some(NotBegun::Closed);
    }
    (job.interrupted)().then_some(NotBegun::Interrupted)
}

/// A batch in the making.
struct Group<'s> {
    shared: &'s Shared,
    /// `None` only while a write has it.
    batch: Option<rocksdb::Transaction<'s, Db>>,
    names: Arc<Names>,
    head: Head,
    /// Whether anything is to be committed.
    kept: bool,
    changes: u32,
    /// Why the batch must not be committed.
    broken: Option<ReadError>,
    clock: Clock,
    began: Duration,
}

impl<'s> Group<'s> {
    fn begin(shared: &'s Shared, head: Head, clock: &Clock) -> Self {
        let batch = Some(pieces::begin(&shared.db, shared.sync));
        let (names, clock, began) = (shared.names(), clock.clone(), clock.elapsed());
        Self { shared, batch, names, head, kept: false, changes: 0, broken: None, clock, began }
    }

    /// Whether those that are in it should not wait for more.
    fn is_full(&self) -> bool {
        let waited = self.clock.elapsed().saturating_sub(self.began);
        self.changes >= CHANGES_MAX || waited >= TIME_MAX
    }

    fn run(&mut self, job: Job, stopped: Option<&Failure>) -> Reply {
        let shared = self.shared;
        let batch = self.batch.take().unwrap_or_else(|| pieces::begin(&shared.db, shared.sync));
        batch.set_savepoint();
        let names_before = self.names.len();
        let refused = stopped.map(Failure::reason);
        let (kind, now) = (job.kind, job.clock.now());
        let revision = match kind {
            Kind::Write | Kind::Large => {
                shared.visibility.number(self.head.revision, time::revision_of(now))
            }
            Kind::Collection => self.head.revision,
        };
        let pieces = (kind == Kind::Large).then(|| Pieces::new(shared, self.head, refused));
        let mut transaction = Transaction {
            db: &shared.db,
            batch,
            names: Arc::clone(&self.names),
            head: self.head,
            revision,
            now,
            logged: 0,
            pieces,
            interrupted: Arc::clone(&job.interrupted),
            clock: job.clock.clone(),
        };
        let ran = job.run(&mut transaction);
        let pieces = match transaction.pieces.take() {
            Some(pieces) => pieces.finish(&mut transaction, ran.kept),
            None => Ok(Made::AtOnce),
        };
        let Transaction { batch, names, head, revision, logged, .. } = transaction;
        self.batch = Some(batch);
        self.names = names;
        match pieces {
            Ok(_) if ran.kept => self.keep(kind, head, revision, logged),
            Ok(Made::AtOnce) => self.undo(names_before),
            // Names that came after the last piece are not on disk: their numbers are free again.
            Ok(Made::InPieces | Made::Unfinished) => self.names = shared.names(),
            Err(error) => self.broken = Some(error),
        }
        ran.reply
    }

    fn keep(&mut self, kind: Kind, head: Head, revision: Revision, logged: u32) {
        self.head = head;
        if kind != Kind::Collection {
            self.head.revision = revision;
        }
        self.kept = true;
        self.changes = self.changes.saturating_add(logged);
    }

    fn undo(&mut self, names_before: usize) {
        if let Some(batch) = &self.batch
            && let Err(error) = batch.rollback_to_savepoint()
        {
            self.broken = Some(rocks::failed(error));
        }
        if self.names.len() > names_before {
            Arc::make_mut(&mut self.names).truncate(names_before);
        }
    }

    /// Commits the batch and moves `head`, the newest committed one.
    fn commit(mut self, head: &mut Head) -> Result<(), ReadError> {
        if let Some(broken) = self.broken.take() {
            return Err(broken);
        }
        let (shared, new) = (self.shared, self.head);
        let (makes_revisions, clock) = (new.revision > head.revision, self.clock.clone());
        if !makes_revisions {
            shared.visibility.cancel();
        }
        if !self.kept {
            return Ok(());
        }
        let before = shared.names();
        // Whoever sees the rows has to know their names.
        shared.publish(&self.names);
        if let Err(error) = self.write() {
            shared.publish(&before);
            return Err(error);
        }
        *head = new;
        if makes_revisions {
            if let Some(acknowledged) = &shared.acknowledged {
                acknowledged.advance(new.revision);
            }
            let visible_at = time::revision_of(clock.now());
            let batch = shared.visibility.finish(new.revision, visible_at);
            if let Some(batch) = batch.filter(|batch| batch.took_long()) {
                shared.note_visibility(batch);
            }
            shared.ring(new.revision);
        }
        Ok(())
    }

    fn write(self) -> Result<(), ReadError> {
        let Some(batch) = self.batch else { return Ok(()) };
        let meta = Family::Meta.of(&self.shared.db)?;
        batch.put_cf(meta, keys::HEAD, self.head.bytes()).map_err(rocks::failed)?;
        if let Some((key, value)) = self.shared.visibility.newest().and_then(Batch::record) {
            batch.put_cf(meta, key, value).map_err(rocks::failed)?;
        }
        batch.commit().map_err(rocks::failed)
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ScanBudget, Store, StoreOptions};
    use super::*;
    use crate::relationship::{Relationship, RelationshipFilter, Timestamp};
    use tempfile::TempDir;

    fn job(text: &str, kept: bool) -> Job {
        let relationship: Relationship = text.parse().unwrap();
        let options = WriteOptions::new(Timestamp::from_unix(1, 0).unwrap());
        let work = move |transaction: &mut Transaction<'_>| {
            assert!(transaction.create(&relationship).unwrap());
            if kept { Ok(()) } else { Err(()) }
        };
        Job::new(Kind::Write, options, work, move |answer| {
            assert_eq!(answer.unwrap().is_ok(), kept);
        })
    }

    #[test]
    fn a_refused_write_within_a_batch_takes_back_its_rows_its_names_and_its_revision() {
        let dir = TempDir::new().unwrap();
        let open = || Store::open(dir.path(), &StoreOptions::default()).unwrap();
        let store = open();
        let (shared, mut head) = (store.shared(), Head::default());
        let clock = Timestamp::from_unix(1, 0).unwrap().into();
        let mut group = Group::begin(shared, head, &clock);
        let replies = [
            group.run(job("document:a#viewer@user:ann", true), None),
            group.run(job("folder:a#parent@folder:b", false), None),
            group.run(job("group:a#member@robot:r2", true), None),
        ];
        group.commit(&mut head).unwrap();
        for reply in replies {
            reply(Ok(()));
        }
        assert_eq!(head.revision, Revision(1_000_000_001));
        drop(store);
        let store = open();
        let snapshot = store.snapshot(Timestamp::from_unix(1, 0).unwrap()).unwrap();
        assert_eq!(snapshot.revision(), head.revision);
        let rows = snapshot
            .scan(&RelationshipFilter::default(), None, 9, &ScanBudget::unlimited())
            .unwrap()
            .rows;
        let rows: Vec<_> = rows.into_iter().map(|(row, _)| row.to_string()).collect();
        assert_eq!(rows, ["document:a#viewer@user:ann", "group:a#member@robot:r2"]);
    }
}
