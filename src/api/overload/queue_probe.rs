//! How long a task waits for its turn on the threads that receive calls.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// The least time between the starts of two probes, so that they cost nothing worth mentioning.
const INTERVAL: Duration = Duration::from_millis(5);

/// Says when to send a probe through the run queue of the runtime.
///
/// The time from a call's arrival to the first poll of its task would not do: the runtime polls a task that was just
/// spawned before all others, and lets it wait only afterwards, between the parts of its request.
#[derive(Debug, Default)]
pub(super) struct QueueProbe {
    is_in_progress: AtomicBool,
    /// From when on the next probe may start, in nanoseconds of the limiter's clock.
    due: AtomicU64,
}

impl QueueProbe {
    /// Whether the caller is to start a probe. At most one is in progress.
    pub(super) fn is_due(&self, now: u64) -> bool {
        if now < self.due.load(Ordering::Relaxed)
            || self.is_in_progress.swap(true, Ordering::Relaxed)
        {
            return false;
        }
        let interval = u64::try_from(INTERVAL.as_nanos()).unwrap_or(u64::MAX);
        self.due.store(now.saturating_add(interval), Ordering::Relaxed);
        true
    }

    /// The probe has ended.
    pub(super) fn end(&self) {
        self.is_in_progress.store(false, Ordering::Relaxed);
    }
}
