//! The clocks of a write. The store has none of its own.

use crate::relationship::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Tells the time of day when a write begins, and how much time passes while writes are made.
#[derive(Clone)]
pub struct Clock {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    elapsed: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl Clock {
    /// A clock that tells the time of day with `now`, and with `elapsed` the time since some fixed start, which never
    /// jumps.
    pub fn new(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        elapsed: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { now: Arc::new(now), elapsed: Arc::new(elapsed) }
    }

    /// The time of day.
    pub fn now(&self) -> Timestamp {
        (self.now)()
    }

    /// The time since the clock's start.
    pub fn elapsed(&self) -> Duration {
        (self.elapsed)()
    }
}

/// A clock that stands still.
impl From<Timestamp> for Clock {
    fn from(now: Timestamp) -> Self {
        Self::new(move || now, || Duration::ZERO)
    }
}

impl From<&Self> for Clock {
    fn from(clock: &Self) -> Self {
        clock.clone()
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}
