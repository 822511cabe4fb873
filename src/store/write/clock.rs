//! The clock of a write. The store has no clock of its own.

use crate::relationship::Timestamp;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The time of day at which writes begin, and a stopwatch for the time that they take.
#[derive(Clone)]
pub struct WriteClock {
    now: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    elapsed: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl WriteClock {
    /// A clock that reads the time of day with `now`, and with `elapsed` the time since some fixed start, which must never
    /// jump.
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
impl From<Timestamp> for WriteClock {
    fn from(now: Timestamp) -> Self {
        Self::new(move || now, || Duration::ZERO)
    }
}

impl From<&Self> for WriteClock {
    fn from(clock: &Self) -> Self {
        clock.clone()
    }
}

impl fmt::Debug for WriteClock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WriteClock").finish_non_exhaustive()
    }
}
