//! Calls in progress of each caller, so that the load of one does not push the others out.

use dashmap::DashMap;
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// From this many callers on, those without a call are forgotten now and then.
const CALLERS_KEPT: usize = 1_024;

/// The calls in progress of all callers.
///
/// A caller is known by a hash of its key under a random seed: two callers with the same hash, which no caller can bring
/// about, would merely share their part.
#[derive(Debug, Default)]
pub(crate) struct CallerLoads {
    seed: RandomState,
    pub(super) calls: DashMap<u64, Arc<AtomicUsize>>,
    /// Callers with at least one call in progress.
    pub(super) active: AtomicUsize,
}

impl CallerLoads {
    /// The counter of a caller's calls in progress.
    pub(crate) fn of(&self, key: &[u8]) -> Arc<AtomicUsize> {
        let caller = self.seed.hash_one(key);
        if let Some(calls) = self.calls.get(&caller) {
            return Arc::clone(&calls);
        }
        Arc::clone(&self.calls.entry(caller).or_default())
    }

    /// Counts a call of a caller.
    pub(super) fn begin(&self, calls: &AtomicUsize) {
        if calls.fetch_add(1, Ordering::Relaxed) == 0 {
            self.active.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Counts a call of a caller that has less than `max` of them; otherwise the call may not begin.
    pub(crate) fn begin_below(&self, calls: &AtomicUsize, max: usize) -> bool {
        let more = |count: usize| (count < max).then_some(count + 1);
        let before = calls.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more);
        if before == Ok(0) {
            self.active.fetch_add(1, Ordering::Relaxed);
        }
        before.is_ok()
    }

    /// Counts the end of a call.
    pub(crate) fn end(&self, calls: &AtomicUsize) {
        if calls.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.active.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Callers with a call in progress, and the one that asks.
    pub(super) fn active_with(&self, calls: &AtomicUsize) -> usize {
        let asks_first = usize::from(calls.load(Ordering::Relaxed) == 0);
        (self.active.load(Ordering::Relaxed) + asks_first).max(1)
    }

    /// Forgets callers without a call, if there are many.
    pub(crate) fn prune(&self) {
        if self.calls.len() > CALLERS_KEPT {
            // A call that begins meanwhile holds the counter by its own reference, so that its end still finds it.
            self.calls.retain(|_, calls| calls.load(Ordering::Relaxed) > 0);
        }
    }
}
