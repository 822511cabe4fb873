//! The one writer: a thread that runs writes one after the other and commits those that wait as one batch.
//!
//! A group of writes is one RocksDB transaction. Each write starts at a savepoint: a refused one goes back to it, later
//! ones see what the earlier ones of the group did. One synced commit then acknowledges the whole group.

use super::acknowledged::Acknowledged;
use super::folder::FolderLock;
use super::names::Names;
use super::pieces::{self, Made, Pieces};
use super::rocks::{self, Db, Family};
use super::transaction::Transaction;
use super::values::Head;
use super::{keys, time};
use crate::relationship::{ReadError, Revision, Timestamp};
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::thread::JoinHandle;

/// The most writes in one batch.
const WRITES_MAX: usize = 256;
/// A batch takes no further write once it holds so many changes.
const CHANGES_MAX: u32 = 10_000;

/// A write that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// The work itself refused; nothing was changed.
    #[error(transparent)]
    Refused(E),
    /// The batch could not be committed. After a restart the write is there whole or not at all. Until then the store
    /// takes no further write.
    #[error("the write could not be committed: {reason}")]
    Commit {
        /// What went wrong, for the operator.
        reason: String,
    },
    /// An earlier batch could not be committed, and what became of it shows only after a restart. Nothing was changed.
    #[error("writes are refused until a restart, for one could not be committed: {reason}")]
    Stopped {
        /// What went wrong then, for the operator.
        reason: String,
    },
    /// The store is being closed.
    #[error("the store is closing")]
    Closed,
    /// The handle is one that does not write.
    #[error("the store is read only")]
    ReadOnly,
}

/// Whether a piece of work makes a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Write,
    /// The same for one that may be larger than memory.
    Large,
    Collection,
}

/// What happened to a piece of work, before its batch is committed.
struct Ran {
    /// Whether what it changed is to be kept.
    kept: bool,
    answer: Answer,
}

/// Tells a caller how its work ended.
type Answer = Box<dyn FnOnce(Result<(), &Failure>) + Send>;

/// Why a batch is not on disk.
#[derive(Clone, Debug)]
enum Failure {
    /// It was tried, for the operator to know why in vain.
    Commit(String),
    /// It was not tried, for an earlier one had failed.
    Stopped(String),
}

impl Failure {
    fn reason(&self) -> String {
        let (Self::Commit(reason) | Self::Stopped(reason)) = self;
        reason.clone()
    }
}

struct Job {
    kind: Kind,
    now: Timestamp,
    work: Box<dyn FnOnce(&mut Transaction<'_>) -> Ran + Send>,
}

/// Called with the revision of each commit.
type Bell = Box<dyn Fn(Revision) + Send>;

/// What the writer's thread shares with the store.
pub(super) struct Shared {
    pub(super) db: Db,
    /// The names that committed rows may use.
    pub(super) names: RwLock<Arc<Names>>,
    pub(super) bells: Mutex<Vec<Bell>>,
    pub(super) sync: bool,
    /// Where acknowledged revisions are recorded; `None` for a store that acknowledges what is not on disk.
    pub(super) acknowledged: Option<Acknowledged>,
    /// After the database, so that it is let go when that is closed.
    pub(super) _lock: Option<FolderLock>,
}

impl Shared {
    pub(super) fn names(&self) -> Arc<Names> {
        Arc::clone(&self.names.read().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn publish(&self, names: &Arc<Names>) {
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(names);
    }

    fn ring(&self, revision: Revision) {
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

    /// Runs a piece of work on the writer's thread, and waits until it is on disk. Should the work panic, so does this.
    pub(super) fn run<T: Send + 'static, E: Send + 'static>(
        &self,
        kind: Kind,
        now: Timestamp,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<(Revision, T), WriteError<E>> {
        let (reply, answer) = mpsc::sync_channel(1);
        let work = Box::new(move |transaction: &mut Transaction<'_>| {
            let done = catch_unwind(AssertUnwindSafe(|| work(transaction)));
            let revision = transaction.revision();
            let kept = matches!(done, Ok(Ok(_)));
            let answer = move |committed: Result<(), &Failure>| {
                // The caller waits for this, unless it is gone with its whole thread.
                let _gone = reply.send(outcome(done, revision, committed));
            };
            Ran { kept, answer: Box::new(answer) }
        });
        let jobs = self.jobs.as_ref().ok_or(WriteError::Closed)?;
        jobs.send(Job { kind, now, work }).map_err(|_| WriteError::Closed)?;
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

type Panic = Box<dyn Any + Send>;
type Answered<T, E> = Result<Result<(Revision, T), WriteError<E>>, Panic>;

fn outcome<T, E>(
    done: Result<Result<T, E>, Panic>,
    revision: Revision,
    committed: Result<(), &Failure>,
) -> Answered<T, E> {
    match (done, committed) {
        (Err(panic), _) => Err(panic),
        (Ok(Err(refusal)), _) => Ok(Err(WriteError::Refused(refusal))),
        (Ok(Ok(value)), Ok(())) => Ok(Ok((revision, value))),
        (Ok(Ok(_)), Err(failure)) => Ok(Err(match failure.clone() {
            Failure::Commit(reason) => WriteError::Commit { reason },
            Failure::Stopped(reason) => WriteError::Stopped { reason },
        })),
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
        let mut group = Group::begin(shared, head);
        let mut answers = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            // One that may become large is a group of its own.
            if job.kind == Kind::Large && !answers.is_empty() {
                waiting = Some(job);
                break;
            }
            let room = job.kind != Kind::Large;
            answers.push(group.run(job, stopped.as_ref()));
            let room = room && answers.len() < WRITES_MAX && group.changes < CHANGES_MAX;
            next = if room { queue.try_recv().ok() } else { None };
        }
        let committed = match &stopped {
            None => group.commit(&mut head).map_err(|error| Failure::Commit(error.reason)),
            Some(failure) => Err(failure.clone()),
        };
        if let Err(Failure::Commit(reason)) = &committed {
            stopped = Some(Failure::Stopped(reason.clone()));
        }
        for answer in answers {
            answer(committed.as_ref().copied());
        }
    }
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
}

impl<'s> Group<'s> {
    fn begin(shared: &'s Shared, head: Head) -> Self {
        let batch = Some(pieces::begin(&shared.db, shared.sync));
        let names = shared.names();
        Self { shared, batch, names, head, kept: false, changes: 0, broken: None }
    }

    fn run(&mut self, job: Job, stopped: Option<&Failure>) -> Answer {
        let shared = self.shared;
        let batch = self.batch.take().unwrap_or_else(|| pieces::begin(&shared.db, shared.sync));
        batch.set_savepoint();
        let names_before = self.names.len();
        let refused = stopped.map(Failure::reason);
        let pieces = (job.kind == Kind::Large).then(|| Pieces::new(shared, self.head, refused));
        let mut transaction = Transaction {
            db: &shared.db,
            batch,
            names: Arc::clone(&self.names),
            head: self.head,
            revision: next_revision(self.head.revision, job.now),
            now: job.now,
            logged: 0,
            pieces,
        };
        let ran = (job.work)(&mut transaction);
        let pieces = match transaction.pieces.take() {
            Some(pieces) => pieces.finish(&mut transaction, ran.kept),
            None => Ok(Made::AtOnce),
        };
        let Transaction { batch, names, head, revision, logged, .. } = transaction;
        self.batch = Some(batch);
        self.names = names;
        match pieces {
            Ok(_) if ran.kept => self.keep(job.kind, head, revision, logged),
            Ok(Made::AtOnce) => self.undo(names_before),
            Ok(Made::InPieces) => {}
            Err(error) => self.broken = Some(error),
        }
        ran.answer
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
        if !self.kept {
            return Ok(());
        }
        let (shared, new) = (self.shared, self.head);
        let before = shared.names();
        // Whoever sees the rows has to know their names.
        shared.publish(&self.names);
        if let Err(error) = self.write() {
            shared.publish(&before);
            return Err(error);
        }
        let newer = new.revision > head.revision;
        *head = new;
        if newer {
            if let Some(acknowledged) = &shared.acknowledged {
                acknowledged.advance(new.revision);
            }
            shared.ring(new.revision);
        }
        Ok(())
    }

    fn write(self) -> Result<(), ReadError> {
        let Some(batch) = self.batch else { return Ok(()) };
        let meta = Family::Meta.of(&self.shared.db)?;
        batch.put_cf(meta, keys::HEAD, self.head.bytes()).map_err(rocks::failed)?;
        batch.commit().map_err(rocks::failed)
    }
}

/// The revision of a write: the time in nanoseconds, or one more than the last when the clock has not passed it.
fn next_revision(last: Revision, now: Timestamp) -> Revision {
    let next = Revision(last.0.saturating_add(1));
    next.max(time::revision_of(now))
}

#[cfg(test)]
mod tests {
    use super::super::{ScanBudget, Store, StoreOptions};
    use super::*;
    use crate::relationship::{Relationship, RelationshipFilter};
    use tempfile::TempDir;

    fn job(text: &str, kept: bool) -> Job {
        let relationship: Relationship = text.parse().unwrap();
        let now = Timestamp::from_unix(1, 0).unwrap();
        let work = Box::new(move |transaction: &mut Transaction<'_>| {
            assert!(transaction.create(&relationship).unwrap());
            Ran { kept, answer: Box::new(|committed| committed.unwrap()) }
        });
        Job { kind: Kind::Write, now, work }
    }

    #[test]
    fn a_refused_write_within_a_batch_takes_back_its_rows_its_names_and_its_revision() {
        let dir = TempDir::new().unwrap();
        let open = || Store::open(dir.path(), &StoreOptions::default()).unwrap();
        let store = open();
        let (shared, mut head) = (store.shared(), Head::default());
        let mut group = Group::begin(shared, head);
        let answers = [
            group.run(job("document:a#viewer@user:ann", true), None),
            group.run(job("folder:a#parent@folder:b", false), None),
            group.run(job("group:a#member@robot:r2", true), None),
        ];
        group.commit(&mut head).unwrap();
        for answer in answers {
            answer(Ok(()));
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
