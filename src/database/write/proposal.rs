//! The protocol of writes: examination on a snapshot, then confirmation by the one writer.
//!
//! The expensive part of a write is to decide whether it may be applied: preconditions, required permissions, and the
//! relationships that a deletion matches. That runs on the caller's thread, on a snapshot, while other writes continue. The
//! writer only confirms the result from the changes since. When it cannot do so within a small budget, the write is outdated
//! and is examined again on a newer snapshot.

use crate::database::consistency::Consistency;
use crate::database::error::DatabaseError;
use crate::database::handle::Database;
use crate::database::read::view::View;
use crate::engine::{EngineError, Limits, Stopwatch};
use crate::relationship::{ReadError, Revision};
use crate::store::{
    IsInterrupted, QueueSlot, ScanBudget, SpillError, Transaction, TransactionError, WriteClock,
    WriteError, WriteOptions, WriteOutcome,
};
use std::fmt;
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// After so many outdated examinations the writer evaluates the write itself, within a budget.
const EXAMINATIONS_MAX: u32 = 8;

/// Time limit of an examination that is not marked slow. Nearly all take less; one that does not is started again as a slow
/// one, so that slow ones do not delay the others.
const QUICK_TIME_MAX: Duration = Duration::from_millis(20);

/// A write that a caller requests.
pub trait Proposal: Send + Sync + 'static {
    /// The result for the caller.
    type Output: Send + 'static;

    /// Whether its examination is expected to take long.
    fn is_slow(&self) -> bool {
        false
    }

    /// Whether an examination of another such write could do nothing but wait for it.
    fn is_exclusive(&self) -> bool {
        false
    }

    /// Decides on a snapshot whether the write may be applied. An error is final.
    fn examine(
        self: &Arc<Self>,
        examination: &Examination<'_>,
    ) -> Result<ExaminedWrite<Self::Output>, DatabaseError>;
}

/// The inputs of an examination.
pub struct Examination<'e> {
    /// Schema and relationships at the newest revision, for as long as the caller waits.
    pub(in crate::database) view: View<'e>,
    pub(in crate::database) database: &'e Database,
    pub(in crate::database) caller: &'e Caller,
    /// Whether no other exclusive write is examined meanwhile.
    pub(in crate::database) is_exclusive: bool,
    /// Limits of the checks in the examination.
    pub(in crate::database) limits: Limits,
    pub(in crate::database) stopwatch: Stopwatch<'e>,
}

impl Examination<'_> {
    /// Whether the caller has stopped waiting.
    pub(in crate::database) fn interrupted(&self) -> &dyn Fn() -> bool {
        self.view.snapshot.interrupted()
    }

    /// The newest snapshot, which may be newer than the view, for the same caller.
    pub(in crate::database) fn newer_view(&self) -> Result<View<'_>, DatabaseError> {
        let view = self.database.view(Consistency::FullyConsistent, self.view.now())?;
        Ok(view.interrupted_by(self.interrupted()))
    }

    /// A budget for all scans together: the time limit of one check, and until the caller stops waiting.
    pub(in crate::database) fn scan_budget(&self) -> ScanBudget<'_> {
        let budget = self.view.snapshot.scan_budget();
        match self.limits.time_max {
            Some(time_max) => budget.with_time_max(self.stopwatch, time_max),
            None => budget,
        }
    }
}

impl fmt::Debug for Examination<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examination").field("view", &self.view).finish_non_exhaustive()
    }
}

/// How the writer decides whether a write may be applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::database) enum Attempt {
    /// It confirms the examination.
    Confirm,
    /// It evaluates the prerequisites anew, because examinations were outdated too often.
    Evaluate,
}

/// Why the writer did not apply a write.
#[derive(Debug)]
pub(in crate::database) enum Rejection {
    /// The examination could not be confirmed: it has to be repeated.
    Outdated,
    Final(Box<DatabaseError>),
}

impl From<DatabaseError> for Rejection {
    fn from(error: DatabaseError) -> Self {
        Self::Final(Box::new(error))
    }
}

impl From<ReadError> for Rejection {
    fn from(error: ReadError) -> Self {
        DatabaseError::from(error).into()
    }
}

impl From<TransactionError> for Rejection {
    fn from(error: TransactionError) -> Self {
        DatabaseError::from(error).into()
    }
}

impl From<SpillError> for Rejection {
    fn from(error: SpillError) -> Self {
        DatabaseError::from(error).into()
    }
}

impl From<Rejection> for DatabaseError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Outdated => Self::Contended,
            Rejection::Final(error) => *error,
        }
    }
}

type Apply<T> =
    Box<dyn FnOnce(&mut Transaction<'_>, Attempt) -> Result<T, Rejection> + Send + 'static>;

/// A write that a snapshot allows.
pub struct ExaminedWrite<T> {
    apply: Apply<T>,
    is_large: bool,
    is_deletion: bool,
    must_be_exclusive: bool,
    bytes: usize,
}

impl<T> ExaminedWrite<T> {
    /// A write that `apply` confirms and applies.
    pub(in crate::database) fn new(
        apply: impl FnOnce(&mut Transaction<'_>, Attempt) -> Result<T, Rejection> + Send + 'static,
    ) -> Self {
        Self {
            apply: Box::new(apply),
            is_large: false,
            is_deletion: false,
            must_be_exclusive: false,
            bytes: 0,
        }
    }

    /// A write that has turned out to need an exclusive examination.
    pub(in crate::database) fn must_be_exclusive() -> Self {
        Self { must_be_exclusive: true, ..Self::new(|_, _| Err(Rejection::Outdated)) }
    }

    /// The same write, marked as one that frees space in the end.
    pub(in crate::database) fn deletion(self) -> Self {
        Self { is_deletion: true, ..self }
    }

    /// The same write, holding so many bytes of memory until it is applied, in addition to its request.
    pub(in crate::database) fn holding(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// The same write, committed in chunks because it may be larger than memory.
    pub(in crate::database) fn large(self) -> Self {
        Self { is_large: true, ..self }
    }
}

impl<T> fmt::Debug for ExaminedWrite<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExaminedWrite").field("is_large", &self.is_large).finish_non_exhaustive()
    }
}

/// A write between admission and result: its slot in the queue, and how often it was examined.
#[derive(Debug)]
pub struct PendingWrite {
    /// Freed when the write is answered.
    slot: QueueSlot,
    examinations: u32,
    is_slow: bool,
    is_exclusive: bool,
}

impl PendingWrite {
    /// Whether the examination is expected to take long, and so should delay only others that are.
    pub fn is_slow(&self) -> bool {
        self.is_slow
    }

    /// Whether the examination should wait until no other such write is examined.
    pub fn is_exclusive(&self) -> bool {
        self.is_exclusive
    }
}

/// The caller of a write.
#[derive(Clone)]
pub struct Caller {
    /// The clock that the time of the write is read from.
    pub clock: WriteClock,
    /// Whether the caller has stopped waiting; polled until the write is applied.
    pub interrupted: IsInterrupted,
    /// Its name, which is kept with the changes.
    pub writer: Option<Arc<str>>,
}

impl Caller {
    /// A caller that never stops waiting.
    pub fn patient(clock: impl Into<WriteClock>) -> Self {
        Self { clock: clock.into(), interrupted: Arc::new(|| false), writer: None }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").finish_non_exhaustive()
    }
}

/// The outcome of one submission.
#[derive(Debug)]
pub enum SubmitOutcome<T> {
    /// The write was committed or refused.
    Final(Result<(Revision, T), DatabaseError>),
    /// The write has to be submitted again.
    Retry(PendingWrite),
}

impl Database {
    /// Admits a write to the queue, unless that is full. `bytes` is the size of its request.
    pub fn admit(
        &self,
        proposal: &impl Proposal,
        bytes: usize,
    ) -> Result<PendingWrite, DatabaseError> {
        let slot = self.store.admit(bytes)?;
        let (is_slow, is_exclusive) = (proposal.is_slow(), proposal.is_exclusive());
        Ok(PendingWrite { slot, examinations: 0, is_slow, is_exclusive })
    }

    /// Examines a write and hands it to the writer. `answer` is called with the outcome, mostly on the writer's thread, where
    /// it must be quick and must not panic.
    pub fn submit<P: Proposal>(
        &self,
        pending: PendingWrite,
        proposal: &Arc<P>,
        caller: &Caller,
        answer: impl FnOnce(SubmitOutcome<P::Output>) + Send + 'static,
    ) {
        let examined = self.examine(&pending, proposal, caller);
        let ExaminedWrite { apply, is_large, is_deletion, bytes, .. } = match examined {
            Ok(ExaminedWrite { must_be_exclusive: true, .. }) => {
                let pending = PendingWrite { is_slow: true, is_exclusive: true, ..pending };
                return answer(SubmitOutcome::Retry(pending));
            }
            Ok(examined) => examined,
            Err(DatabaseError::Engine(EngineError::TimeExceeded { .. })) if !pending.is_slow => {
                return answer(SubmitOutcome::Retry(PendingWrite { is_slow: true, ..pending }));
            }
            Err(error) => return answer(SubmitOutcome::Final(Err(error))),
        };

        // Examined again, it must not wait for another exclusive one, which may be waiting for it.
        let examinations = pending.examinations + 1;
        let mut pending = PendingWrite { examinations, is_exclusive: false, ..pending };
        if let Err(full) = pending.slot.hold(bytes) {
            return answer(SubmitOutcome::Final(Err(full.into())));
        }
        let attempt = if pending.examinations < EXAMINATIONS_MAX {
            Attempt::Confirm
        } else {
            Attempt::Evaluate
        };

        let options = WriteOptions::new(&caller.clock);
        let options = options.interrupted_by(Arc::clone(&caller.interrupted));
        let options = options.by(caller.writer.clone());
        let options = if is_deletion { options.deletion() } else { options };
        self.store.submit(
            if is_large { options.large() } else { options },
            move |transaction| apply(transaction, attempt),
            move |applied| answer(outcome(applied, pending)),
        );
    }

    fn examine<P: Proposal>(
        &self,
        pending: &PendingWrite,
        proposal: &Arc<P>,
        caller: &Caller,
    ) -> Result<ExaminedWrite<P::Output>, DatabaseError> {
        if self.store.is_read_only() {
            return Err(DatabaseError::ReadOnly);
        }
        let Caller { clock, interrupted, .. } = caller;
        let started = clock.elapsed();
        let stopwatch = || clock.elapsed().saturating_sub(started);
        let view = self.view(Consistency::FullyConsistent, clock.now())?;
        let view = view.timed_by(&stopwatch).interrupted_by(&**interrupted);

        let mut limits = self.state.options.limits;
        if !pending.is_slow {
            limits.time_max = limits.time_max.into_iter().chain([QUICK_TIME_MAX]).min();
        }
        proposal.examine(&Examination {
            view,
            database: self,
            caller,
            is_exclusive: pending.is_exclusive,
            limits,
            stopwatch: &stopwatch,
        })
    }

    /// Submits a write until its outcome is final, and waits for that.
    pub fn execute<P: Proposal>(
        &self,
        caller: &Caller,
        proposal: P,
    ) -> Result<(Revision, P::Output), DatabaseError> {
        let mut pending = self.admit(&proposal, 0)?;
        let proposal = Arc::new(proposal);
        loop {
            let (reply, answer) = mpsc::sync_channel(1);
            self.submit(pending, &proposal, caller, move |outcome| {
                // Fails only when the receiver is gone, which is below in this function.
                let _gone = reply.send(outcome);
            });
            match answer.recv() {
                Ok(SubmitOutcome::Final(result)) => return result,
                Ok(SubmitOutcome::Retry(next)) => pending = next,
                Err(mpsc::RecvError) => return Err(DatabaseError::Closed),
            }
        }
    }
}

fn outcome<T>(applied: WriteOutcome<T, Rejection>, pending: PendingWrite) -> SubmitOutcome<T> {
    SubmitOutcome::Final(match applied {
        Ok(Ok(applied)) => Ok(applied),
        Ok(Err(WriteError::Refused(Rejection::Outdated)))
            if pending.examinations < EXAMINATIONS_MAX =>
        {
            return SubmitOutcome::Retry(pending);
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_panic) => Err(DatabaseError::Fault),
    })
}
