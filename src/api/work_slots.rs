//! How much work uses the processors at once.

use crate::api::overload::{SchedulingDelay, processors};
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// After how many pieces of work the number of slots follows what was measured.
const SAMPLES: u64 = 64;

/// Slots for work that has just begun.
///
/// More work at once than there are processors does not end earlier: the threads take turns on the processors, and all of it waits
/// for as long as the longest. Work that waits for a disk uses none meanwhile, so there are the more slots the longer it does.
/// Work that lasts gives its slot back, and takes turns with others like it.
#[derive(Debug)]
pub(super) struct WorkSlots {
    slots: Arc<Semaphore>,
    processors: usize,
    count: AtomicUsize,
    count_max: usize,
    used: AtomicU64,
    held_up: AtomicU64,
    samples: AtomicU64,
}

impl WorkSlots {
    /// Slots for the processors of this machine, of which there may be more up to `count_max`.
    pub(super) fn new(count_max: usize) -> Self {
        let processors = processors();
        let count = processors.min(count_max);
        Self {
            slots: Arc::new(Semaphore::new(count)),
            processors,
            count: AtomicUsize::new(count),
            count_max,
            used: AtomicU64::new(0),
            held_up: AtomicU64::new(0),
            samples: AtomicU64::new(0),
        }
    }

    /// Waits for a slot. Those that wait get one in their order.
    pub(super) async fn take(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.slots).acquire_owned().await.ok()
    }

    /// Notes how long a piece of work used a processor, and how long it could not because it waited for something else than a
    /// processor.
    fn record(&self, used: Duration, held_up: Duration) {
        self.used.fetch_add(nanoseconds(used), Ordering::Relaxed);
        self.held_up.fetch_add(nanoseconds(held_up), Ordering::Relaxed);
        if self.samples.fetch_add(1, Ordering::Relaxed) % SAMPLES == SAMPLES - 1 {
            let used = self.used.swap(0, Ordering::Relaxed);
            let held_up = self.held_up.swap(0, Ordering::Relaxed);
            self.resize(wanted(self.processors, used, held_up).min(self.count_max));
        }
    }

    /// Slots that are taken are not taken away: their number falls when it can.
    fn resize(&self, wanted: usize) {
        let count = self.count.load(Ordering::Relaxed);
        if wanted > count {
            self.slots.add_permits(wanted - count);
            self.count.fetch_add(wanted - count, Ordering::Relaxed);
        } else {
            let forgotten = self.slots.forget_permits(count - wanted);
            self.count.fetch_sub(forgotten, Ordering::Relaxed);
        }
    }
}

/// What a piece of work does with its time, measured on its thread.
pub(super) struct WorkTimes {
    started: Instant,
    used_before: Duration,
    delay: SchedulingDelay,
}

impl WorkTimes {
    /// Starts to measure on this thread.
    pub(super) fn start() -> Self {
        let delay = SchedulingDelay::start();
        Self { started: Instant::now(), used_before: processor_time(), delay }
    }

    /// Ends the measurement, on the same thread, and notes it with the slots. Returns for how long it waited for a processor.
    pub(super) fn end(self, slots: &WorkSlots) -> Duration {
        let used = processor_time().saturating_sub(self.used_before);
        let waited = self.delay.elapsed();
        slots.record(used, self.started.elapsed().saturating_sub(used + waited));
        waited
    }
}

/// The time that the calling thread has used a processor.
pub(super) fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

/// How much work keeps so many processors busy, when it uses them for that time and is held up for that time.
fn wanted(processors: usize, used: u64, held_up: u64) -> usize {
    let processors = u128::try_from(processors).unwrap_or(1);
    let (used, held_up) = (u128::from(used.max(1)), u128::from(held_up));
    usize::try_from((processors * (used + held_up)).div_ceil(used)).unwrap_or(usize::MAX)
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_that_waits_for_a_disk_leaves_its_processor_to_others() {
        assert_eq!(wanted(2, 1_000, 0), 2);
        assert_eq!(wanted(2, 1_000, 1), 3);
        assert_eq!(wanted(2, 1_000, 9_000), 20);
        assert_eq!(wanted(1, 0, 0), 1);
    }

    #[test]
    fn the_number_of_slots_follows_what_was_measured() {
        let slots = WorkSlots::new(64);
        let few = slots.slots.available_permits();
        let record = |held_up| {
            for _ in 0..SAMPLES {
                slots.record(Duration::from_micros(10), held_up);
            }
            slots.slots.available_permits()
        };
        assert_eq!(record(Duration::from_micros(10)), (2 * few).min(64));
        assert_eq!(record(Duration::from_secs(1)), 64);
        let taken = slots.slots.clone().try_acquire_many_owned(60).unwrap();
        assert_eq!(record(Duration::ZERO), 0);
        drop(taken);
        assert_eq!(record(Duration::ZERO), few);
    }
}
