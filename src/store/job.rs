//! One write on its way to the writer and back.

use super::clock::Clock;
use super::room::{Reserve, Shortage};
use super::transaction::Transaction;
use crate::relationship::Revision;
use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// A write that did not happen.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// The work itself refused; nothing was changed.
    #[error(transparent)]
    Refused(E),
    /// The batch could not be committed. When the store has been opened again the write is there whole or not at
    /// all. Until then the store takes no further write.
    #[error("the write could not be committed: {reason}")]
    Commit {
        /// What went wrong, for the operator.
        reason: String,
    },
    /// An earlier batch could not be committed, and what became of it shows only when the store is opened again. Nothing was changed.
    #[error(
        "writes are refused until the store is opened again, because one could not be committed: {reason}"
    )]
    Stopped {
        /// What went wrong then, for the operator.
        reason: String,
    },
    /// The system lacks what a write needs. Nothing was changed.
    #[error("{0}")]
    NoRoom(Shortage),
    /// The caller no longer waited when the write's turn came. Nothing was changed.
    #[error("the caller no longer waits for the write")]
    Interrupted,
    /// The store is being closed.
    #[error("the store is closing")]
    Closed,
    /// The handle is one that does not write.
    #[error("the store is read only")]
    ReadOnly,
}

/// Says whether the caller of a write has stopped waiting for it.
pub type Interrupted = Arc<dyn Fn() -> bool + Send + Sync>;

/// What is given to a caller at the end of its write: the outcome, or the panic of its work.
pub type Answer<T, E> = Result<Result<(Revision, T), WriteError<E>>, Box<dyn Any + Send>>;

/// How a write is made.
pub struct WriteOptions {
    pub(super) clock: Clock,
    pub(super) interrupted: Interrupted,
    pub(super) is_large: bool,
    pub(super) reserve: Reserve,
}

impl WriteOptions {
    /// A write of moderate size whose caller waits for as long as it takes.
    pub fn new(clock: impl Into<Clock>) -> Self {
        Self {
            clock: clock.into(),
            interrupted: Arc::new(|| false),
            is_large: false,
            reserve: Reserve::Full,
        }
    }

    /// The same for a caller that may stop waiting. A write that has not begun by then is dropped; a large one that has
    /// is rolled back.
    #[must_use]
    pub fn interrupted_by(self, interrupted: Interrupted) -> Self {
        Self { interrupted, ..self }
    }

    /// The same for a write that makes room in the end. It may use half of the space that is kept free for RocksDB.
    #[must_use]
    pub fn deletion(self) -> Self {
        Self { reserve: Reserve::Half, ..self }
    }

    /// The same for a write that may be larger than memory: it is put on disk chunk by chunk. No other write is made
    /// meanwhile; reads go on and see nothing of it before it is complete. When it is refused or a crash ends it, what
    /// is there of it is rolled back.
    #[must_use]
    pub fn large(self) -> Self {
        Self { is_large: true, ..self }
    }
}

impl fmt::Debug for WriteOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteOptions").field("is_large", &self.is_large).finish_non_exhaustive()
    }
}

/// Whether a job makes a revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Write,
    /// The same for one that may be larger than memory.
    Large,
    Collection,
}

/// Why a job was dropped before it began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NotBegun {
    Interrupted,
    Closed,
}

/// Why a batch is not on disk.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The commit was tried and failed, for this reason.
    Commit(String),
    /// The commit was not tried, because an earlier one had failed.
    Stopped(String),
}

impl Failure {
    pub(super) fn reason(&self) -> String {
        let (Self::Commit(reason) | Self::Stopped(reason)) = self;
        reason.clone()
    }
}

/// Tells a caller how its work ended.
pub(super) type Reply = Box<dyn FnOnce(Result<(), &Failure>) + Send>;

/// What happened to a job, before its batch is committed.
pub(super) struct Ran {
    /// Whether what it changed is to be kept.
    pub(super) kept: bool,
    pub(super) reply: Reply,
}

type Work = Box<dyn FnOnce(Result<&mut Transaction<'_>, NotBegun>) -> Ran + Send>;

/// A write that waits for its turn.
pub(super) struct Job {
    pub(super) kind: Kind,
    pub(super) clock: Clock,
    pub(super) interrupted: Interrupted,
    work: Work,
}

impl Job {
    /// Work whose outcome is given to `answer`, on the writer's thread: that must be quick and not panic.
    pub(super) fn new<T: Send + 'static, E: Send + 'static>(
        kind: Kind,
        options: WriteOptions,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, E> + Send + 'static,
        answer: impl FnOnce(Answer<T, E>) + Send + 'static,
    ) -> Self {
        let WriteOptions { clock, interrupted, .. } = options;
        let work = Box::new(move |begun: Result<&mut Transaction<'_>, NotBegun>| {
            let transaction = match begun {
                Ok(transaction) => transaction,
                Err(reason) => {
                    let refused = Ok(Err(match reason {
                        NotBegun::Interrupted => WriteError::Interrupted,
                        NotBegun::Closed => WriteError::Closed,
                    }));
                    let reply = Box::new(move |_: Result<(), &Failure>| answer(refused));
                    return Ran { kept: false, reply };
                }
            };

            let done = catch_unwind(AssertUnwindSafe(|| work(&mut *transaction)));
            let revision = transaction.revision();
            let kept = matches!(done, Ok(Ok(_)));
            let reply = Box::new(move |committed: Result<(), &Failure>| {
                answer(outcome(done, revision, committed));
            });
            Ran { kept, reply }
        });
        Self { kind, clock, interrupted, work }
    }

    pub(super) fn run(self, transaction: &mut Transaction<'_>) -> Ran {
        (self.work)(Ok(transaction))
    }

    /// Answers without having begun.
    pub(super) fn drop_unmade(self, reason: NotBegun) {
        let ran = (self.work)(Err(reason));
        (ran.reply)(Ok(()));
    }
}

fn outcome<T, E>(
    done: Result<Result<T, E>, Box<dyn Any + Send>>,
    revision: Revision,
    committed: Result<(), &Failure>,
) -> Answer<T, E> {
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
