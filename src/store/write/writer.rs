//! The one writer: a thread that runs writes one after the other and commits the waiting ones as one batch.
//!
//! A group of writes is one RocksDB transaction. Each write starts at a savepoint: a write that fails is rolled back to it,
//! and later writes see the changes of earlier writes of the group. One synced commit then acknowledges the whole group.

use super::commit_group::CommitGroup;
use super::error::WriteError;
use super::failure::WriteFailure;
use super::health::WriteStop;
use super::job::{BatchFailure, JobKind, NotBegun, Reply, WriteJob};
use super::options::WriteOptions;
use super::rollback::{self, RollbackProgress};
use super::transaction::Transaction;
use crate::relationship::Revision;
use crate::store::head::HeadRecord;
use crate::store::inner::StoreInner;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Receiver, SendError, Sender, TryRecvError};
use std::sync::{Arc, Weak};
use std::thread::JoinHandle;

/// The most writes in one batch.
const WRITES_MAX: usize = 256;
/// How many rows of a prepared revision that was given up are removed at a time.
const REMOVED_MAX: u32 = 500;

/// The handle of the writer thread. When it is dropped, it waits for the writes in progress.
pub(in crate::store) struct WriterThread {
    jobs: Option<Arc<Sender<WriteJob>>>,
    thread: Option<JoinHandle<()>>,
}

impl WriterThread {
    /// Starts the thread; `head` is the newest head on disk.
    pub(in crate::store) fn start(
        inner: Arc<StoreInner>,
        head: HeadRecord,
    ) -> std::io::Result<Self> {
        let (jobs, queue) = mpsc::channel();
        let named = std::thread::Builder::new().name("kilwa-writer".to_owned());
        let thread = named.spawn(move || serve(&inner, head, &queue))?;
        Ok(Self { jobs: Some(Arc::new(jobs)), thread: Some(thread) })
    }

    /// Where jobs can be sent for as long as this exists.
    pub(in crate::store) fn sender(&self) -> Weak<Sender<WriteJob>> {
        self.jobs.as_ref().map(Arc::downgrade).unwrap_or_default()
    }

    /// Passes a job to the writer. If the writer has ended, the job is answered at once.
    pub(in crate::store) fn submit(&self, job: WriteJob) {
        let unsent = match &self.jobs {
            Some(jobs) => jobs.send(job).err().map(|SendError(job)| job),
            None => Some(job),
        };
        if let Some(job) = unsent {
            job.drop_unmade(NotBegun::Closed);
        }
    }

    /// Runs work on the writer thread, and waits until it is on disk. A panic of the work is resumed here.
    pub(in crate::store) fn run<T: Send + 'static, E: Send + 'static>(
        &self,
        kind: JobKind,
        options: WriteOptions,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
    ) -> Result<(Revision, T), WriteError<E>> {
        let (reply, answer) = mpsc::sync_channel(1);
        self.submit(WriteJob::new(kind, options, work, move |answer| {
            // The receiver is dropped only if the thread of the caller has ended, and nothing needs the answer then.
            let _gone = reply.send(answer);
        }));
        match answer.recv() {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(mpsc::RecvError) => Err(WriteError::Closed),
        }
    }
}

impl Drop for WriterThread {
    fn drop(&mut self) {
        // Closes the queue, which ends the thread: to join it first would wait forever.
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // A panic of the writer has reached its callers already, as dropped replies.
            let _panicked = thread.join();
        }
    }
}

impl fmt::Debug for WriterThread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriterThread").finish_non_exhaustive()
    }
}

/// Runs jobs until the store is dropped.
fn serve(inner: &StoreInner, mut head: HeadRecord, queue: &Receiver<WriteJob>) {
    let mut stopped: Option<BatchFailure> = None;
    let mut waiting = None;
    let mut removal = PreparedRemoval::default();
    while let Some(first) = waiting.take().or_else(|| {
        let mut step = || removal.step(inner, &mut head, &mut stopped);
        next_job(queue, &mut step)
    }) {
        let group = CommitGroup::begin(inner, head, &first.clock, first.kind);
        let (group, replies, next) = run_group(group, inner, first, queue, stopped.as_ref());
        waiting = next;
        // Not before the group is run, which may take long.
        stopped = stopped.or_else(|| inner.stopped().map(BatchFailure::Stopped));

        // A failed commit leaves the durable state unknown: the batch may turn out to be on disk when the log is read at the
        // next start. A later write would have been made without knowledge of it, so none is committed.
        let committed = match &stopped {
            None => group.commit(&mut head).map_err(BatchFailure::Commit),
            Some(failure) => Err(failure.clone()),
        };
        if let Err(BatchFailure::Commit(failure)) = &committed {
            let stop = WriteStop::CommitFailed(failure.to_string());
            inner.health.stop(stop.clone());
            stopped = Some(BatchFailure::Stopped(stop));
        }
        if committed.is_ok() {
            inner.totals.add(replies.len());
        }
        for reply in replies {
            reply(committed.as_ref().copied());
        }
    }

    // The time at which a batch became visible is stored with the next one, and the last batch has none. After a failed
    // commit the database takes nothing more.
    if stopped.is_none()
        && let Some(newest) = inner.visibility.newest()
    {
        inner.note_visibility(newest);
    }
}

/// The next job. Until it comes, the work of `step` continues; that says whether any is left.
fn next_job(queue: &Receiver<WriteJob>, step: &mut dyn FnMut() -> bool) -> Option<WriteJob> {
    while step() {
        match queue.try_recv() {
            Ok(job) => return Some(job),
            Err(TryRecvError::Disconnected) => return None,
            Err(TryRecvError::Empty) => {}
        }
    }
    queue.recv().ok()
}

/// The removal of prepared revisions that were given up.
#[derive(Default)]
struct PreparedRemoval(Option<RollbackProgress>);

impl PreparedRemoval {
    /// Removes some rows, if any are to be removed. Says whether some are left.
    fn step(
        &mut self,
        inner: &StoreInner,
        head: &mut HeadRecord,
        stopped: &mut Option<BatchFailure>,
    ) -> bool {
        let mut prepared = inner.prepared();
        let abandoned = prepared.abandoned().filter(|_| stopped.is_none());
        // A store that closes leaves the rest to its next opening.
        let Some(mark) = abandoned.filter(|_| !inner.is_closing()) else { return false };

        let progress = self.0.take().filter(|progress| progress.revision == mark);
        let mut progress = progress.unwrap_or_else(|| RollbackProgress::new(mark));
        let known = (&mut *head, Arc::make_mut(&mut prepared));
        match rollback::remove_prepared(&inner.db, &mut progress, known, REMOVED_MAX) {
            Ok(false) => self.0 = Some(progress),
            Ok(true) => inner.publish_prepared(&prepared),
            Err(error) => {
                let stop = WriteStop::CommitFailed(WriteFailure::from(error).to_string());
                inner.health.stop(stop.clone());
                *stopped = Some(BatchFailure::Stopped(stop));
                return false;
            }
        }
        true
    }
}

/// Runs a job, and those that wait in the queue until the group is full. Returns the replies of the jobs, and a job that
/// must not run in this group.
fn run_group<'s>(
    mut group: CommitGroup<'s>,
    inner: &StoreInner,
    first: WriteJob,
    queue: &Receiver<WriteJob>,
    stopped: Option<&BatchFailure>,
) -> (CommitGroup<'s>, Vec<Reply>, Option<WriteJob>) {
    let mut replies = Vec::new();
    let mut next = Some(first);
    while let Some(job) = next {
        if let Some(reason) = unwanted(inner, &job) {
            job.drop_unmade(reason);
            next = queue.try_recv().ok();
            continue;
        }
        // A large write is a group of its own, because it commits its own chunks; so is a piece of a creation, because it bypasses the
        // batch, and one of a deletion, because its commit does not wait for the disk.
        let is_alone = matches!(job.kind, JobKind::Large | JobKind::Piece | JobKind::DeletionPiece);
        if is_alone && !replies.is_empty() {
            return (group, replies, Some(job));
        }

        let reply;
        (group, reply) = group.run(job, stopped);
        replies.push(reply);
        let is_full = is_alone || replies.len() >= WRITES_MAX || group.is_full();
        next = if is_full { None } else { queue.try_recv().ok() };
    }
    (group, replies, None)
}

/// Why a job whose turn has come is not run.
fn unwanted(inner: &StoreInner, job: &WriteJob) -> Option<NotBegun> {
    if inner.is_closing() {
        return Some(NotBegun::Closed);
    }
    (job.interrupted)().then_some(NotBegun::Interrupted)
}
