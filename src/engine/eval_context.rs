//! The context of an evaluation: schema, relationships, limits and interruption.

use crate::engine::cache::CacheAt;
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::limits::{Limits, Stopwatch};
use crate::schema::Schema;
use std::fmt;
use std::time::Duration;

/// Number of visits between two checks for interruption and timeout.
const VISITS_PER_INTERRUPTION: u64 = 128;

/// A stopwatch that always returns zero, so that no timeout is reached.
const STOPPED: Stopwatch<'static> = &|| Duration::ZERO;

/// The schema, the relationships and the options with which queries are evaluated.
pub struct EvalContext<'s, R> {
    /// The schema at the revision of the reader.
    pub schema: &'s Schema,
    /// The relationships.
    pub reader: &'s R,
    /// The limits of each query.
    pub limits: Limits,
    /// The cache of results shared with other queries at the same read point.
    pub cache: Option<CacheAt<'s>>,
    /// Called at regular intervals; `true` ends the query with
    /// [`EngineError::Interrupted`](super::EngineError::Interrupted).
    pub interrupted: &'s dyn Fn() -> bool,
    /// The time source for [`Limits::time_max`] and for the durations in traces.
    pub stopwatch: Stopwatch<'s>,
    /// Called at regular intervals with the number of bytes that a lookup holds; `false` when the memory budget of all
    /// lookups has no memory left for them, which ends the lookup with [`EngineError::NoRoom`](super::EngineError::NoRoom).
    pub room: &'s dyn Fn(usize) -> bool,
    /// Whether to record a trace. Bypasses the cache, so that the trace is complete.
    pub tracing: bool,
}

/// Requires that the work is not interrupted and has time left.
///
/// # Errors
///
/// [`EngineError::Interrupted`] and [`EngineError::TimeExceeded`].
pub fn check_interruption(
    interrupted: &dyn Fn() -> bool,
    stopwatch: Stopwatch<'_>,
    time_max: Option<Duration>,
) -> Result<(), EngineError> {
    if interrupted() {
        return Err(EngineError::Interrupted);
    }
    match time_max {
        Some(time_max) if stopwatch() > time_max => Err(EngineError::TimeExceeded { time_max }),
        _ => Ok(()),
    }
}

impl<'s, R> EvalContext<'s, R> {
    /// A context without cache, tracing, stopwatch or interruption, with the default limits.
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

    /// Counts the visit of a node.
    pub(super) fn count_visit(&self, visits: &mut u64) -> Result<(), EngineError> {
        let limit = self.limits.visits_max;
        if *visits >= limit {
            return Err(EngineError::WorkExceeded { work: WorkKind::Visits, limit });
        }
        if visits.is_multiple_of(VISITS_PER_INTERRUPTION) {
            self.check_interruption()?;
        }
        *visits += 1;
        Ok(())
    }

    /// Requires that the query is not interrupted and has time left.
    pub(super) fn check_interruption(&self) -> Result<(), EngineError> {
        check_interruption(self.interrupted, self.stopwatch, self.limits.time_max)
    }
}

// Derived implementations would require `R: Clone`, although the reader is only borrowed.
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
