//! What is being read piece by piece, and garbage collection spares.

use crate::relationship::{Revision, Timestamp};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is held.
#[derive(Debug, Default)]
pub(super) struct Pins {
    /// Revisions that are read.
    pub(super) revisions: Arc<PinCounts<Revision>>,
    /// Times whose later expirations are still to be told.
    pub(super) expirations: Arc<PinCounts<Timestamp>>,
}

/// How often each moment is held.
#[derive(Debug)]
pub(super) struct PinCounts<K: Ord>(Mutex<BTreeMap<K, usize>>);

impl<K: Ord + Copy> PinCounts<K> {
    /// Holds a moment until what is given back is dropped.
    pub(super) fn pin(self: &Arc<Self>, pinned: K) -> Pin<K> {
        *self.lock().entry(pinned).or_default() += 1;
        Pin { counts: Arc::clone(self), pinned }
    }

    /// The oldest moment that is held.
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

/// As long as it lives, garbage collection leaves its moment readable, however old that grows. For reads that go on
/// in pieces; a [`Snapshot`](super::Snapshot) keeps what it sees by itself.
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
