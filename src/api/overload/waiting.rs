//! Sums of waiting times.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// The longest time that one sample counts for. A single piece of work of a minute that shared its processor says less
/// about the load than a thousand calls.
const SAMPLE_MAX: Duration = Duration::from_secs(1);

/// The waiting times of one kind since they were last taken.
///
/// The sum and the count are two atomics: a sample that comes between their readings shifts the mean by a negligible
/// part, which is cheaper than a lock on every call.
#[derive(Debug, Default)]
pub(super) struct WaitingTimes {
    nanoseconds: AtomicU64,
    count: AtomicU64,
}

impl WaitingTimes {
    /// Adds one sample.
    pub(super) fn add(&self, waited: Duration) {
        let nanoseconds = u64::try_from(waited.min(SAMPLE_MAX).as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(nanoseconds, Ordering::Relaxed);
        self.count.fetch_add(1, Ordering::Relaxed);
    }

    /// Adds samples whose sum is known.
    pub(super) fn add_sum(&self, count: u64, waited: Duration) {
        let sum = u64::try_from(waited.as_nanos()).unwrap_or(u64::MAX);
        self.nanoseconds.fetch_add(sum, Ordering::Relaxed);
        self.count.fetch_add(count, Ordering::Relaxed);
    }

    /// Number of samples.
    pub(super) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// The mean of the samples, which are forgotten. Zero when there are none.
    pub(super) fn take_mean(&self) -> Duration {
        let count = self.count.swap(0, Ordering::Relaxed);
        let sum = self.nanoseconds.swap(0, Ordering::Relaxed);
        Duration::from_nanos(sum.checked_div(count).unwrap_or(0))
    }
}
