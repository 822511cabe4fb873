//! Revisions that are being read piece by piece, which garbage collection spares.

use crate::relationship::Revision;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How often each revision is held.
#[derive(Debug, Default)]
pub(super) struct Holds(Mutex<BTreeMap<Revision, usize>>);

impl Holds {
    /// Holds a revision until what is given back is dropped.
    pub(super) fn hold(self: &Arc<Self>, revision: Revision) -> Hold {
        *self.counts().entry(revision).or_default() += 1;
        Hold { holds: Arc::clone(self), revision }
    }

    /// The oldest revision that is held.
    pub(super) fn oldest(&self) -> Option<Revision> {
        self.counts().keys().next().copied()
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<Revision, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// As long as it lives, garbage collection leaves its revision readable, however old that grows. For reads that go on
/// in pieces; a [`Snapshot`](super::Snapshot) keeps what it sees by itself.
#[derive(Debug)]
pub struct Hold {
    holds: Arc<Holds>,
    revision: Revision,
}

impl Drop for Hold {
    fn drop(&mut self) {
        let mut counts = self.holds.counts();
        if let Some(count) = counts.get_mut(&self.revision) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.revision);
            }
        }
    }
}
