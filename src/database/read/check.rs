//! Checks and expansions.

use super::view::View;
use crate::database::consistency::Consistency;
use crate::database::error::DatabaseError;
use crate::database::handle::Database;
use crate::engine::{
    self, CheckQuery, CheckResult, EngineError, EvalContext, ExpandResult, Limits, Stopwatch,
};
use crate::relationship::{ObjectRef, Revision, Timestamp};
use std::time::Duration;

/// The budget of a check from memory: mostly well below a millisecond.
const IN_MEMORY_LIMITS: Limits = Limits {
    depth_max: None,
    visits_max: 256,
    reads_max: 256,
    subjects_max: 0,
    caveat_steps_max: 4096,
    lookup_bytes_max: 0,
    time_max: Some(Duration::from_millis(1)),
};

impl Database {
    /// Fast path: evaluates a check from memory within a small budget, so that a thread may do it that must not block.
    /// Returns the revision with the result, or `None`: then use [`Self::view`].
    pub fn check_in_memory(
        &self,
        consistency: Consistency,
        now: Timestamp,
        stopwatch: Stopwatch<'_>,
        query: &CheckQuery<'_>,
    ) -> Option<(Revision, Result<CheckResult, DatabaseError>)> {
        // The engine's limits count reads, and one read may step over any number of expired rows. It polls this.
        let overdue = || IN_MEMORY_LIMITS.time_max.is_some_and(|time_max| stopwatch() > time_max);
        let view = self.view_in_memory(consistency, now)?;
        let view = view.timed_by(stopwatch).interrupted_by(&overdue);
        let limits = self.state.options.limits.and(IN_MEMORY_LIMITS);
        let context = EvalContext { limits, ..view.eval_context(false) };

        let result = match engine::check(&context, query) {
            // The budget is spent or a block is on disk: the slow path decides, with the limits of the options.
            Err(
                EngineError::WorkExceeded { .. }
                | EngineError::TimeExceeded { .. }
                | EngineError::Interrupted,
            ) => {
                return None;
            }
            Err(EngineError::Read(error)) if error.is_not_cached() => return None,
            result => view.evaluated(result),
        };
        Some((view.revision(), result))
    }
}

impl View<'_> {
    /// Evaluates a check.
    pub fn check(
        &self,
        query: &CheckQuery<'_>,
        tracing: bool,
    ) -> Result<CheckResult, DatabaseError> {
        self.evaluated(engine::check(&self.eval_context(tracing), query))
    }

    /// Evaluates several checks and returns their results in order. They share intermediate results and the time limit.
    pub fn check_each(
        &self,
        queries: &[CheckQuery<'_>],
        tracing: bool,
    ) -> Vec<Result<CheckResult, DatabaseError>> {
        self.check_until(queries, tracing, &|_| false)
    }

    /// The same up to the first result that `is_last` holds for.
    pub fn check_until(
        &self,
        queries: &[CheckQuery<'_>],
        tracing: bool,
        is_last: &dyn Fn(&Result<CheckResult, EngineError>) -> bool,
    ) -> Vec<Result<CheckResult, DatabaseError>> {
        let results = engine::check_until(&self.eval_context(tracing), queries, is_last);
        results.into_iter().map(|result| self.evaluated(result)).collect()
    }

    /// Expands a relation or permission of an object into the tree of its expression, with the subjects that relationships
    /// assign.
    pub fn expand(
        &self,
        resource: &ObjectRef,
        permission: &str,
    ) -> Result<ExpandResult, DatabaseError> {
        self.evaluated(engine::expand(&self.eval_context(false), resource, permission))
    }
}
