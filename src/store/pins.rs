//! Pins: revisions and times protected from garbage collection.

use crate::relationship::{Revision, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The pins of a store.
#[derive(Debug, Default)]
pub(super) struct Pins {
    /// Revisions that are being read.
    pub(super) revisions: Arc<PinCounts<Revision>>,
    /// Times whose later expirations are still to be reported.
    pub(super) expirations: Arc<PinCounts<Timestamp>>,
}

/// How often each revision or time is pinned.
#[derive(Debug)]
pub(super) struct PinCounts<K: Ord>(Mutex<BTreeMap<K, usize>>);

impl<K: Ord + Copy> PinCounts<K> {
    /// Pins a revision or time until the pin is dropped.
    pub(super) fn pin(self: &Arc<Self>, pinned: K) -> Pin<K> {
        *self.lock().entry(pinned).or_default() += 1;
        Pin { counts: Arc::clone(self), pinned }
    }

    /// The oldest pinned revision or time.
    pub(super) fn oldest(&self) -> Option<K> {
        self.lock().keys().next().copied()
    }
}

impl<K: Ord> PinCounts<K> {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<K, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<K: Ord> Default for PinCounts<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

/// Protects a revision or time from garbage collection until it is dropped. For paged reads; a
/// [`Snapshot`](super::Snapshot) keeps its data readable without a pin.
#[derive(Debug)]
pub struct Pin<K: Ord = Revision> {
    counts: Arc<PinCounts<K>>,
    pinned: K,
}

impl<K: Ord> Drop for Pin<K> {
    fn drop(&mut self) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&self.pinned) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.pinned);
            }
        }
    }
}
