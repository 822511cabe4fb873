//! How long calls wait in their connections before anything is done for them.

use super::waiting::WaitingTimes;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// No call is late before that: calls of an idle server may wait for a part of it.
const LATE_AFTER_MIN: Duration = Duration::from_millis(5);

/// What the connections of a server know about the calls that wait in them, for the limiter.
#[derive(Debug, Default)]
pub(crate) struct CallBacklogs {
    late_after: Option<Duration>,
    /// The calls that wait at present.
    calls: AtomicUsize,
    waits: WaitingTimes,
}

impl CallBacklogs {
    /// Of a server whose calls may wait for that time on average, and which else refuses some. `None` for one that refuses none.
    pub(crate) fn new(waiting_max: Option<Duration>) -> Self {
        let late_after = waiting_max.map(|max| max.max(LATE_AFTER_MIN));
        Self { late_after, ..Self::default() }
    }

    /// From when on a waiting call is late: then those that came after it go first, because their clients still wait.
    pub(crate) fn late_after(&self) -> Option<Duration> {
        self.late_after
    }

    /// Counts calls that begin to wait.
    pub(crate) fn add(&self, calls: usize) {
        self.calls.fetch_add(calls, Ordering::Relaxed);
    }

    /// Counts calls that no longer wait, because they are polled for the first time. `waited` is the sum, for each of them, of how
    /// long the oldest call of its connection had waited then.
    pub(crate) fn remove(&self, calls: usize, waited: Duration) {
        self.calls.fetch_sub(calls, Ordering::Relaxed);
        self.waits.add_sum(u64::try_from(calls).unwrap_or(u64::MAX), waited);
    }

    /// Notes that calls continue to wait, the oldest of which has done so for that long.
    pub(super) fn remains(&self, oldest: Duration) {
        self.waits.add(oldest);
    }

    /// The calls that wait at present.
    pub(super) fn calls(&self) -> usize {
        self.calls.load(Ordering::Relaxed)
    }

    /// The mean since the last time it was taken. Zero when no call was polled.
    pub(super) fn take_mean(&self) -> Duration {
        self.waits.take_mean()
    }
}
