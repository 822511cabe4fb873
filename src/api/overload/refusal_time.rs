//! How much of the processors' time refusals may take.

use super::processors::processors;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// The part of the processors' time that refusals of late calls may take: one of so many.
const PART: u64 = 20;
/// The processors of this machine.
static PROCESSORS: LazyLock<u64> = LazyLock::new(|| processors().try_into().unwrap_or(1));

/// The time that refusals may take at present.
///
/// A refusal costs little, but a client that repeats refused calls at once, or sends many times more than can be answered, would
/// keep the server busy with nothing else.
#[derive(Debug, Default)]
pub(super) struct RefusalTime {
    /// What is left, in nanoseconds. Less than nothing when the last refusal took longer than what was left.
    left: AtomicI64,
    /// Up to when it was filled, in nanoseconds of the limiter's clock.
    filled: AtomicU64,
}

impl RefusalTime {
    /// How much of it is kept for later.
    pub(super) const KEPT_MAX: Duration = Duration::from_millis(1);

    /// Whether there is time for a refusal at `now`, in nanoseconds of the limiter's clock.
    pub(super) fn is_left(&self, now: u64) -> bool {
        self.fill(now);
        self.left.load(Ordering::Relaxed) > 0
    }

    /// A refusal took that long.
    pub(super) fn spend(&self, took: Duration) {
        self.left.fetch_sub(to_i64(took.as_nanos()), Ordering::Relaxed);
    }

    fn fill(&self, now: u64) {
        let filled = self.filled.fetch_max(now, Ordering::Relaxed);
        let Some(passed @ 1..) = now.checked_sub(filled) else { return };
        let added = to_i64(u128::from(passed) * u128::from(*PROCESSORS) / u128::from(PART));
        let kept = to_i64(Self::KEPT_MAX.as_nanos());
        let fill = |left: i64| Some(left.saturating_add(added).min(kept));
        // Always succeeds, as `fill` gives a value.
        let _ = self.left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fill);
    }
}

fn to_i64(nanoseconds: u128) -> i64 {
    i64::try_from(nanoseconds).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_take_a_part_of_the_time_however_long_one_is() {
        let time = RefusalTime::default();
        assert!(!time.is_left(0));
        let millisecond = 1_000_000;
        assert!(time.is_left(millisecond));
        // As much as is added in a second.
        time.spend(Duration::from_secs(*PROCESSORS) / u32::try_from(PART).unwrap());
        assert!(!time.is_left(900 * millisecond));
        assert!(time.is_left(1_001 * millisecond));
        // What was not used is no reason for a storm of refusals later.
        assert!(time.is_left(1_000_000 * millisecond));
        time.spend(RefusalTime::KEPT_MAX);
        assert!(!time.is_left(1_000_000 * millisecond));
    }
}
