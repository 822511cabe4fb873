//! The memory of lookups: a shared budget for running ones, and a pool of parked ones that the next page resumes.

use super::error::DatabaseError;
use crate::engine::ResourceLookup;
use crate::relationship::{ReadPoint, Validity};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Maximum number of parked lookups.
const PARKED_MAX: usize = 256;

/// The memory that all lookups of a database share.
#[derive(Debug)]
pub(super) struct LookupPool {
    bytes_max: usize,
    bytes: Arc<AtomicUsize>,
    parked_bytes_max: usize,
    parked: Mutex<VecDeque<ParkedLookup>>,
}

/// A lookup that ended a page and waits for the next one. The oldest are dropped first: without its parked lookup a page
/// only takes longer.
#[derive(Debug)]
struct ParkedLookup {
    key: String,
    validity: Validity,
    lookup: ResourceLookup,
    bytes: usize,
}

/// A running lookup with its memory lease.
#[derive(Debug)]
pub struct ActiveLookup {
    pub(super) lookup: ResourceLookup,
    _lease: MemoryLease,
}

/// The part of the shared budget that one lookup uses. Dropping it returns the memory.
#[derive(Debug)]
pub(super) struct MemoryLease {
    all: Arc<AtomicUsize>,
    all_max: usize,
    bytes: AtomicUsize,
}

impl MemoryLease {
    /// Sets the size of the lease. `false` when all leases together exceed the budget; the lookup then ends.
    pub(super) fn resize(&self, bytes: usize) -> bool {
        // One lookup resizes its lease from one thread; the sum is only a bound, so nothing is ordered by it.
        let before = self.bytes.swap(bytes, Ordering::Relaxed);
        if let Some(more) = bytes.checked_sub(before) {
            return self.all.fetch_add(more, Ordering::Relaxed) + more <= self.all_max;
        }

        self.all.fetch_sub(before - bytes, Ordering::Relaxed);
        true
    }
}

impl Drop for MemoryLease {
    fn drop(&mut self) {
        let before = self.all.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
        debug_assert!(before >= *self.bytes.get_mut(), "a lease returns more than all leases hold");
    }
}

impl LookupPool {
    /// A pool with `bytes_max` bytes for running lookups and `parked_bytes_max` for parked ones.
    pub(super) fn new(bytes_max: usize, parked_bytes_max: usize) -> Self {
        Self { bytes_max, bytes: Arc::default(), parked_bytes_max, parked: Mutex::default() }
    }

    /// An empty lease.
    pub(super) fn lease(&self) -> MemoryLease {
        let all = Arc::clone(&self.bytes);
        MemoryLease { all, all_max: self.bytes_max, bytes: AtomicUsize::default() }
    }

    /// A running lookup, with a lease for the most memory that it will use.
    pub(super) fn activate(
        &self,
        lookup: ResourceLookup,
        lease: MemoryLease,
    ) -> Result<ActiveLookup, DatabaseError> {
        if !lease.resize(lookup.bytes_max()) {
            return Err(self.out_of_memory());
        }
        Ok(ActiveLookup { lookup, _lease: lease })
    }

    /// The error for a lookup that does not fit into the budget.
    pub(super) fn out_of_memory(&self) -> DatabaseError {
        DatabaseError::LookupsTooLarge { bytes_max: self.bytes_max }
    }

    /// Removes the parked lookup with this key, if one is valid at this read point.
    pub(super) fn unpark(&self, key: &str, point: ReadPoint) -> Option<ResourceLookup> {
        let mut parked = self.parked();
        let index = parked.iter().position(|it| it.key == key && it.validity.covers(point))?;
        parked.remove(index).map(|it| it.lookup)
    }

    /// Parks a lookup. The oldest ones are evicted for it.
    pub(super) fn park(&self, key: String, validity: Validity, lookup: ResourceLookup) {
        let bytes = key.len() + lookup.bytes();
        if bytes > self.parked_bytes_max {
            return;
        }

        let mut parked = self.parked();
        let mut all = bytes + parked.iter().map(|it| it.bytes).sum::<usize>();
        while all > self.parked_bytes_max || parked.len() >= PARKED_MAX {
            let Some(dropped) = parked.pop_front() else { break };
            all -= dropped.bytes;
        }
        debug_assert!(all <= self.parked_bytes_max, "parked lookups exceed their budget");
        parked.push_back(ParkedLookup { key, validity, lookup, bytes });
    }

    fn parked(&self) -> MutexGuard<'_, VecDeque<ParkedLookup>> {
        self.parked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
