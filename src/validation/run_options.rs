//! When a validation takes place, and how long it may take.

use crate::engine::{self, EngineError, Stopwatch};
use crate::relationship::Timestamp;
use std::fmt;
use std::time::Duration;

/// When a validation takes place, and how long it may take.
#[derive(Clone, Copy)]
pub struct RunOptions<'s> {
    /// What has expired at this moment is not there.
    pub now: Timestamp,
    /// Asked often; `true` ends the validation with [`EngineError::Interrupted`].
    pub interrupted: &'s dyn Fn() -> bool,
    /// How long the validation has been going on.
    pub stopwatch: Stopwatch<'s>,
    /// How long the whole file may take, with everything that is asked in it; `None` for no limit.
    pub time_max: Option<Duration>,
}

impl RunOptions<'_> {
    /// A validation that takes as long as it takes.
    pub fn unhurried(now: Timestamp) -> Self {
        Self { now, interrupted: &|| false, stopwatch: &|| Duration::ZERO, time_max: None }
    }

    /// Requires that somebody waits for the report, and that there is time left.
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
