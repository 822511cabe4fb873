//! The context of an evaluation: schema, relationships, limits and interruption.

use crate::engine::cache::CacheAt;
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::limits::{Limits, Stopwatch};
use crate::schema::Schema;
use std::fmt;
use std::time::Duration;

/// How many visits pass between two looks at whether the caller still waits.
const VISITS_PER_INTERRUPTION: u64 = 128;

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
