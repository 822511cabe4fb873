//! Writes that are examined on a snapshot before the writer makes them.
//!
//! What takes long about a write is to find out whether it may be made: preconditions, required permissions, and which
//! relationships it is about. That happens on the caller's thread, on a snapshot, while others write. The writer only
//! confirms it from what has changed since. When it cannot do so within a small budget, the write comes back and is
//! examined again, on a newer snapshot.

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

/// After so many examinations that were out of date when the writer came to the write, the writer evaluates it itself, if
/// that takes little work.
const EXAMINATIONS_MAX: u32 = 8;

/// How long an examination may take, unless it is known to be slow. Nearly all take less; one that does not is started
/// again as a slow one, so that slow ones do not hold up the others.
const QUICK_TIME_MAX: Duration = Duration::from_millis(20);

/// A write that somebody wants to be made.
pub trait Proposal: Send + Sync + 'static {
    /// What the caller learns about the write.
    type Output: Send + 'static;

    /// Whether its examination may well take long.
    fn is_slow(&self) -> bool {
        false
    }

    /// Finds out on a snapshot whether the write may be made. An error is final.
    fn examine(
        self: &Arc<Self>,
        examination: &Examination<'_>,
    ) -> Result<ExaminedWrite<Self::Output>, DatabaseError>;
}

/// What an examination may use.
pub struct Examination<'e> {
    /// Schema and relationships at the newest revision.
    pub(in crate::database) view: View<'e>,
    pub(in crate::database) database: &'e Database,
    /// How much the questions of the examination may cost.
    pub(in crate::database) limits: Limits,
    pub(in crate::database) stopwatch: Stopwatch<'e>,
    /// Whether the caller has stopped waiting.
    pub(in crate::database) interrupted: &'e dyn Fn() -> bool,
}

impl Examination<'_> {
    /// A budget for all scans together: the time of one question, for as long as the caller waits.
    pub(in crate::database) fn scan_budget(&self) -> ScanBudget<'_> {
        let budget = ScanBudget::new(self.interrupted);
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

/// How the writer decides whether a write may be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::database) enum Attempt {
    /// It confirms what was examined.
    Confirm,
    /// It evaluates anew what was examined too often.
    Evaluate,
}

/// Why the writer did not make a write.
#[derive(Debug)]
pub(in crate::database) enum Rejection {
    /// What was examined no longer stands: it has to be examined again.
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

type Make<T> =
    Box<dyn FnOnce(&mut Transaction<'_>, Attempt) -> Result<T, Rejection> + Send + 'static>;

/// A write that may be made as far as a snapshot shows.
pub struct ExaminedWrite<T> {
    make: Make<T>,
    is_large: bool,
    is_deletion: bool,
    bytes: usize,
}

impl<T> ExaminedWrite<T> {
    /// A write that `make` confirms and makes.
    pub(in crate::database) fn new(
        make: impl FnOnce(&mut Transaction<'_>, Attempt) -> Result<T, Rejection> + Send + 'static,
    ) -> Self {
        Self { make: Box::new(make), is_large: false, is_deletion: false, bytes: 0 }
    }

    /// The same for one that makes room in the end.
    pub(in crate::database) fn deletion(self) -> Self {
        Self { is_deletion: true, ..self }
    }

    /// The same for one that holds so many bytes of memory until it is made, beside its request.
    pub(in crate::database) fn holding(self, bytes: usize) -> Self {
        Self { bytes, ..self }
    }

    /// The same for one that may be larger than memory.
    pub(in crate::database) fn large(self) -> Self {
        Self { is_large: true, ..self }
    }
}

impl<T> fmt::Debug for ExaminedWrite<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExaminedWrite").field("is_large", &self.is_large).finish_non_exhaustive()
    }
}

/// How often a write has been examined, and its slot in the queue.
#[derive(Debug)]
pub struct PendingWrite {
    /// Free again when the write is answered.
    slot: QueueSlot,
    examinations: u32,
    is_slow: bool,
}

impl PendingWrite {
    /// Whether the examination may take long, and so should hold up only others that may.
    pub fn is_slow(&self) -> bool {
        self.is_slow
    }
}

/// Who wants a write.
#[derive(Clone)]
pub struct Caller {
    /// The time of the write is read from it.
    pub clock: WriteClock,
    /// Whether the caller has stopped waiting, now and until the write is made.
    pub interrupted: IsInterrupted,
}

impl Caller {
    /// A caller that waits for as long as it takes.
    pub fn patient(clock: impl Into<WriteClock>) -> Self {
        Self { clock: clock.into(), interrupted: Arc::new(|| false) }
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller").finish_non_exhaustive()
    }
}

/// What became of a round.
#[derive(Debug)]
pub enum SubmitOutcome<T> {
    /// The write was made or refused.
    Final(Result<(Revision, T), DatabaseError>),
    /// The write has to be examined again.
    Retry(PendingWrite),
}

impl Database {
    /// Lets a write into the queue, unless too many wait already. `bytes` is the size of its request.
    pub fn admit(
        &self,
        proposal: &impl Proposal,
        bytes: usize,
    ) -> Result<PendingWrite, DatabaseError> {
        let slot = self.store.admit(bytes)?;
        Ok(PendingWrite { slot, examinations: 0, is_slow: proposal.is_slow() })
    }

    /// Examines a write and hands it to the writer. `answer` is called with the outcome, mostly from the writer's thread,
    /// where it must be quick and not panic.
    pub fn submit<P: Proposal>(
        &self,
        round: PendingWrite,
        proposal: &Arc<P>,
        caller: &Caller,
        answer: impl FnOnce(SubmitOutcome<P::Output>) + Send + 'static,
    ) {
        let examined = self.examine(&round, proposal, caller);
        let ExaminedWrite { make, is_large, is_deletion, bytes } = match examined {
            Ok(examined) => examined,
            Err(DatabaseError::Engine(EngineError::TimeExceeded { .. })) if !round.is_slow => {
                return answer(SubmitOutcome::Retry(PendingWrite { is_slow: true, ..round }));
            }
            Err(error) => return answer(SubmitOutcome::Final(Err(error))),
        };

        let mut round = PendingWrite { examinations: round.examinations + 1, ..round };
        if let Err(full) = round.slot.hold(bytes) {
            return answer(SubmitOutcome::Final(Err(full.into())));
        }
        let attempt = if round.examinations < EXAMINATIONS_MAX {
            Attempt::Confirm
        } else {
            Attempt::Evaluate
        };
        let options = WriteOptions::new(&caller.clock);
        let options = options.interrupted_by(Arc::clone(&caller.interrupted));
        let options = if is_deletion { options.deletion() } else { options };
        self.store.submit(
            if is_large { options.large() } else { options },
            move |transaction| make(transaction, attempt),
            move |made| answer(outcome(made, round)),
        );
    }

    fn examine<P: Proposal>(
        &self,
        round: &PendingWrite,
        proposal: &Arc<P>,
        Caller { clock, interrupted }: &Caller,
    ) -> Result<ExaminedWrite<P::Output>, DatabaseError> {
        if self.store.is_read_only() {
            return Err(DatabaseError::ReadOnly);
        }
        let started = clock.elapsed();
        let stopwatch = || clock.elapsed().saturating_sub(started);
        let view = self.view(Consistency::FullyConsistent, clock.now())?.timed_by(&stopwatch);
        let interrupted = || interrupted();
        let mut limits = self.options.limits;
        if !round.is_slow {
            limits.time_max = limits.time_max.into_iter().chain([QUICK_TIME_MAX]).min();
        }
        proposal.examine(&Examination {
            view,
            database: self,
            limits,
            stopwatch: &stopwatch,
            interrupted: &interrupted,
        })
    }

    /// Makes a write and waits for it, however often it has to be examined.
    pub fn execute<P: Proposal>(
        &self,
        caller: &Caller,
        proposal: P,
    ) -> Result<(Revision, P::Output), DatabaseError> {
        let mut round = self.admit(&proposal, 0)?;
        let proposal = Arc::new(proposal);
        loop {
            let (reply, answer) = mpsc::sync_channel(1);
            self.submit(round, &proposal, caller, move |outcome| {
                // The caller waits for this, unless it is gone with its whole thread.
                let _gone = reply.send(outcome);
            });
            match answer.recv() {
                Ok(SubmitOutcome::Final(result)) => return result,
                Ok(SubmitOutcome::Retry(next)) => round = next,
                Err(mpsc::RecvError) => return Err(DatabaseError::Closed),
            }
        }
    }
}

fn outcome<T>(made: WriteOutcome<T, Rejection>, round: PendingWrite) -> SubmitOutcome<T> {
    SubmitOutcome::Final(match made {
        Ok(Ok(made)) => Ok(made),
        Ok(Err(WriteError::Refused(Rejection::Outdated)))
            if round.examinations < EXAMINATIONS_MAX =>
        {
            return SubmitOutcome::Retry(round);
        }
        Ok(Err(error)) => Err(error.into()),
        Err(_panic) => Err(DatabaseError::Fault),
    })
}
