//! What is asked, within which bounds, and what is answered.

use super::cache::CacheAt;
use super::error::{EngineError, WorkKind};
use super::trace::Trace;
use crate::relationship::{Context, ObjectRef, Permissionship, Subject};
use crate::schema::Schema;
use std::fmt;
use std::time::Duration;

/// May this subject do this on that resource?
#[derive(Clone, Copy, Debug)]
pub struct CheckQuery<'q> {
    /// The object that access is about.
    pub resource: &'q ObjectRef,
    /// A permission or relation of its definition.
    pub permission: &'q str,
    /// Who asks for access: an object or a userset.
    pub subject: &'q Subject,
    /// Values for caveat parameters that the relationships do not store.
    pub context: &'q Context,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct CheckResult {
    /// The answer itself.
    pub permissionship: Permissionship,
    /// How it came about, when that was asked for.
    pub trace: Option<Trace>,
    /// What it cost.
    pub statistics: Statistics,
}

/// What an answer cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Relations and permissions of objects that were looked into.
    pub visits: u64,
    /// Calls to the reader.
    pub reads: u64,
    /// Steps taken in the expressions of caveats.
    pub caveat_steps: u64,
    /// Answers of sub-questions taken from the shared cache.
    pub cache_hits: u64,
    /// The longest way walked, in relations and permissions.
    pub depth: u64,
}

impl Statistics {
    /// Adds what another answer cost.
    pub(super) fn add(&mut self, other: &Self) {
        self.visits += other.visits;
        self.reads += other.reads;
        self.caveat_steps += other.caveat_steps;
        self.cache_hits += other.cache_hits;
        self.depth = self.depth.max(other.depth);
    }
}

/// How much one question may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest way from the resource to the subject, in relations and permissions; `None` for no limit of its own.
    pub depth_max: Option<u32>,
    /// The most relations and permissions of objects that are looked into.
    pub visits_max: u64,
    /// The most calls to the reader.
    pub reads_max: u64,
    /// The most subjects that have to be in memory together, in a tree or for a part of a list.
    pub subjects_max: u64,
    /// The most steps that all evaluations of caveats may take together.
    pub caveat_steps_max: u64,
    /// The most memory that a lookup may need for the objects on its way, in bytes.
    pub lookup_bytes_max: u32,
    /// How long it may take; the questions of one [`check_each`](super::check_each) together. `None` for no limit.
    pub time_max: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: None,
            visits_max: 1_000_000,
            reads_max: 4_000_000,
            subjects_max: 1_000_000,
            caveat_steps_max: 100_000_000,
            lookup_bytes_max: 256 << 20,
            time_max: Some(Duration::from_mins(1)),
        }
    }
}

impl Limits {
    /// What neither these limits nor others exceed.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        // For an `Option`, none is less than any, and here it stands for no limit.
        let depth_max = self.depth_max.into_iter().chain(others.depth_max).min();
        let time_max = self.time_max.into_iter().chain(others.time_max).min();
        Self {
            depth_max,
            visits_max: self.visits_max.min(others.visits_max),
            reads_max: self.reads_max.min(others.reads_max),
            subjects_max: self.subjects_max.min(others.subjects_max),
            caveat_steps_max: self.caveat_steps_max.min(others.caveat_steps_max),
            lookup_bytes_max: self.lookup_bytes_max.min(others.lookup_bytes_max),
            time_max,
        }
    }
}

/// How many visits pass between two looks at whether the caller still waits.
const VISITS_PER_INTERRUPTION: u64 = 128;

/// Tells how much time has passed since some moment that stays the same.
pub type Stopwatch<'s> = &'s dyn Fn() -> Duration;

/// Stands still: nothing takes any time.
const STOPPED: Stopwatch<'static> = &|| Duration::ZERO;

/// What questions are asked of, and how.
pub struct EvalContext<'s, R> {
    /// The schema at the reader's moment.
    pub schema: &'s Schema,
    /// The relationships.
    pub reader: &'s R,
    /// The bounds of each question.
    pub limits: Limits,
    /// Answers shared with other questions at the same moment.
    pub cache: Option<CacheAt<'s>>,
    /// Asked now and then; `true` ends the question with [`EngineError::Interrupted`](super::EngineError::Interrupted).
    pub interrupted: &'s dyn Fn() -> bool,
    /// For the bound on time, and for the durations in traces.
    pub stopwatch: Stopwatch<'s>,
    /// Told now and then how many bytes a lookup holds by now; `false` when there is no room for them, which ends it with
    /// [`EngineError::NoRoom`](super::EngineError::NoRoom).
    pub room: &'s dyn Fn(usize) -> bool,
    /// Whether to tell how the answer came about. Skips the cache, so that the whole way is told.
    pub tracing: bool,
}

impl<'s, R> EvalContext<'s, R> {
    /// A scope without cache, tracing, stopwatch or interruption, with the default bounds.
    pub fn new(schema: &'s Schema, reader: &'s R) -> Self {
        Self {
            schema,
            reader,
            limits: Limits::default(),
            cache: None,
            interrupted: &|| false,
            stopwatch: STOPPED,
            room: &|_| true,
            tracing: false,
        }
    }

    /// Counts one more relation or permission of an object that is looked into.
    pub(super) fn count_visit(&self, visits: &mut u64) -> Result<(), EngineError> {
        let limit = self.limits.visits_max;
        if *visits >= limit {
            return Err(EngineError::WorkExceeded { work: WorkKind::Visits, limit });
        }
        if visits.is_multiple_of(VISITS_PER_INTERRUPTION) {
            self.require_going_on()?;
        }
        *visits += 1;
        Ok(())
    }

    /// Requires that somebody waits for the answer, and that there is time left.
    pub(super) fn require_going_on(&self) -> Result<(), EngineError> {
        if (self.interrupted)() {
            return Err(EngineError::Interrupted);
        }
        match self.limits.time_max {
            Some(time_max) if (self.stopwatch)() > time_max => {
                Err(EngineError::TimeExceeded { time_max })
            }
            _ => Ok(()),
        }
    }
}

// Derived, these would ask the same of the reader, which is only borrowed.
impl<R> Clone for EvalContext<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for EvalContext<'_, R> {}

impl<R> fmt::Debug for EvalContext<'_, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EvalContext")
            .field("limits", &self.limits)
            .field("tracing", &self.tracing)
            .finish_non_exhaustive()
    }
}
