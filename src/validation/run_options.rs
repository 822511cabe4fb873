//! Options of a validation run: its time, its time limit and its interruption.

use crate::engine::{self, EngineError, Stopwatch};
use crate::relationship::Timestamp;
use std::fmt;
use std::time::Duration;

/// Options of a validation run.
#[derive(Clone, Copy)]
pub struct RunOptions<'s> {
    /// The time of the validation: relationships that have expired by then do not exist.
    pub now: Timestamp,
    /// Polled often; `true` ends the validation with [`EngineError::Interrupted`].
    pub interrupted: &'s dyn Fn() -> bool,
    /// The time since the validation started.
    pub stopwatch: Stopwatch<'s>,
    /// Maximum time for the whole file with all its checks; `None` for no limit.
    pub time_max: Option<Duration>,
}

impl RunOptions<'_> {
    /// A run without a time limit.
    pub fn unhurried(now: Timestamp) -> Self {
        Self { now, interrupted: &|| false, stopwatch: &|| Duration::ZERO, time_max: None }
    }

    /// Requires that the caller still waits for the report, and that the time limit is not exceeded.
    pub(super) fn check_interruption(&self) -> Result<(), EngineError> {
        engine::check_interruption(self.interrupted, self.stopwatch, self.time_max)
    }
}

impl fmt::Debug for RunOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunOptions")
            .field("now", &self.now)
            .field("time_max", &self.time_max)
            .finish_non_exhaustive()
    }
}
