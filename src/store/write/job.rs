//! A write on its way to the writer thread and back.

use super::clock::WriteClock;
use super::error::WriteError;
use super::failure::WriteFailure;
use super::health::WriteStop;
use super::options::{IsInterrupted, WriteOptions};
use super::transaction::Transaction;
use crate::relationship::Revision;
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// The end of a write: its result, or the panic of its work.
pub type WriteOutcome<T, E> = Result<Result<(Revision, T), WriteError<E>>, Box<dyn Any + Send>>;

/// The effect of a job on the store's history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum JobKind {
    /// It makes a revision.
    Write,
    /// It makes a revision, and may be larger than memory.
    Large,
    /// Garbage collection: it makes no revision.
    Collection,
    /// A piece of a prepared creation, written without the batch: it makes no revision.
    Piece,
    /// A piece of a prepared deletion: it makes no revision, and does not wait for the disk. The log keeps the order of commits, so
    /// the synced commit that publishes it makes it durable.
    DeletionPiece,
}

/// Why a job was dropped before it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum NotBegun {
    Interrupted,
    Closed,
}

/// Why a batch is not on disk.
#[derive(Clone, Debug)]
pub(in crate::store) enum BatchFailure {
    /// The commit was tried and failed.
    Commit(WriteFailure),
    /// The commit was not tried, because nothing may be committed any more.
    Stopped(WriteStop),
}

impl BatchFailure {
    /// The same failure for a chunk that must not be committed.
    pub(in crate::store) fn for_chunk(&self) -> WriteFailure {
        match self {
            Self::Commit(failure) => failure.clone(),
            Self::Stopped(stop) => WriteFailure::io(stop.reason()),
        }
    }
}

/// Delivers the outcome of a job to its caller, given the outcome of the batch's commit.
pub(in crate::store) type Reply = Box<dyn FnOnce(Result<(), &BatchFailure>) + Send>;

/// A job that has run and whose batch is not committed yet.
pub(in crate::store) struct Executed {
    /// Whether the changes are to be kept.
    pub(in crate::store) kept: bool,
    pub(in crate::store) reply: Reply,
}

type Work = Box<dyn FnOnce(Result<&mut Transaction<'_>, NotBegun>) -> Executed + Send>;

/// A write that waits for its turn.
pub(in crate::store) struct WriteJob {
    pub(in crate::store) kind: JobKind,
    pub(in crate::store) clock: WriteClock,
    pub(in crate::store) interrupted: IsInterrupted,
    pub(in crate::store) writer: Option<Arc<str>>,
    work: Work,
}

impl WriteJob {
    /// A job whose outcome is passed to `answer` on the writer thread: `answer` must be quick and must not panic.
    pub(in crate::store) fn new<T: Send + 'static, E: Send + 'static>(
        kind: JobKind,
        options: WriteOptions,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
        answer: impl FnOnce(WriteOutcome<T, E>) + Send + 'static,
    ) -> Self {
        let WriteOptions { clock, interrupted, writer, .. } = options;
        let work = Box::new(move |begun: Result<&mut Transaction<'_>, NotBegun>| {
            let transaction = match begun {
                Ok(transaction) => transaction,
                Err(reason) => {
                    let refused = Ok(Err(match reason {
                        NotBegun::Interrupted => WriteError::Interrupted,
                        NotBegun::Closed => WriteError::Closed,
                    }));
                    let reply = Box::new(move |_: Result<(), &BatchFailure>| answer(refused));
                    return Executed { kept: false, reply };
                }
            };

            // A panic ends this write alone: it is rolled back, and resumed in the thread of the caller.
            let done = catch_unwind(AssertUnwindSafe(|| work(&mut *transaction)));
            let revision = transaction.revision();
            let kept = matches!(done, Ok(Ok(_)));
            let reply = Box::new(move |committed: Result<(), &BatchFailure>| {
                answer(outcome(done, revision, committed));
            });
            Executed { kept, reply }
        });
        Self { kind, clock, interrupted, writer, work }
    }

    pub(in crate::store) fn run(self, transaction: &mut Transaction<'_>) -> Executed {
        (self.work)(Ok(transaction))
    }

    /// Answers the caller without running the job.
    pub(in crate::store) fn drop_unmade(self, reason: NotBegun) {
        let executed = (self.work)(Err(reason));
        (executed.reply)(Ok(()));
    }
}

fn outcome<T, E>(
    done: Result<Result<T, E>, Box<dyn Any + Send>>,
    revision: Revision,
    committed: Result<(), &BatchFailure>,
) -> WriteOutcome<T, E> {
    match (done, committed) {
        (Err(panic), _) => Err(panic),
        // Whether the rest of the batch was committed does not matter to work that changed nothing.
        (Ok(Err(refusal)), _) => Ok(Err(WriteError::Refused(refusal))),
        (Ok(Ok(value)), Ok(())) => Ok(Ok((revision, value))),
        (Ok(Ok(_)), Err(failure)) => Ok(Err(match failure.clone() {
            BatchFailure::Commit(failure) => WriteError::Commit(failure),
            BatchFailure::Stopped(WriteStop::CommitFailed(reason)) => {
                WriteError::Stopped { reason }
            }
            BatchFailure::Stopped(WriteStop::FolderLost(reason)) => {
                WriteError::FolderLost { reason }
            }
        })),
    }
}
