//! Lookups of resources, under way and between their pages.

use crate::database::error::DatabaseError;
use crate::database::read::view::View;
use crate::engine::{
    EngineError, EvalContext, LookupPage, LookupResourcesQuery, ResourceLookup, Statistics,
};
use crate::relationship::{ReadPoint, Validity};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most lookups that wait for their next page.
const WAITING_MAX: usize = 256;

/// What all lookups share.
#[derive(Debug)]
pub(in crate::database) struct LookupPool {
    bytes_max: usize,
    bytes: Arc<AtomicUsize>,
    waiting_bytes_max: usize,
    waiting: Mutex<VecDeque<ParkedLookup>>,
}

/// A lookup that was left behind one of its results, for the next page. Those that have waited longest are dropped first:
/// one that is not there only costs time.
#[derive(Debug)]
struct ParkedLookup {
    key: String,
    validity: Validity,
    lookup: ResourceLookup,
    bytes: usize,
}

/// A lookup under way, and its share of the memory that all of them may need.
#[derive(Debug)]
pub struct ActiveLookup {
    lookup: ResourceLookup,
    _share: MemoryLease,
}

/// What one lookup holds of the memory for all of them. Given back when it is dropped.
#[derive(Debug)]
struct MemoryLease {
    all: Arc<AtomicUsize>,
    all_max: usize,
    bytes: AtomicUsize,
}

impl MemoryLease {
    /// Makes the share as large as the lookup is by now. `false` when all of them together are too large.
    fn resize(&self, bytes: usize) -> bool {
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
        self.all.fetch_sub(*self.bytes.get_mut(), Ordering::Relaxed);
    }
}

impl LookupPool {
    /// `bytes_max` bytes are for lookups under way, `waiting_bytes_max` for those that wait.
    pub(in crate::database) fn new(bytes_max: usize, waiting_bytes_max: usize) -> Self {
        let bytes = Arc::default();
        Self { bytes_max, bytes, waiting_bytes_max, waiting: Mutex::default() }
    }

    fn share(&self) -> MemoryLease {
        let all = Arc::clone(&self.bytes);
        MemoryLease { all, all_max: self.bytes_max, bytes: AtomicUsize::default() }
    }

    /// A lookup with the share that it takes until it ends.
    fn activate(
        &self,
        lookup: ResourceLookup,
        share: MemoryLease,
    ) -> Result<ActiveLookup, DatabaseError> {
        if !share.resize(lookup.bytes_max()) {
            return Err(self.too_large());
        }
        Ok(ActiveLookup { lookup, _share: share })
    }

    fn too_large(&self) -> DatabaseError {
        DatabaseError::LookupsTooLarge { bytes_max: self.bytes_max }
    }

    fn take(&self, key: &str, point: ReadPoint) -> Option<ResourceLookup> {
        let mut waiting = self.waiting();
        let position = waiting.iter().position(|it| it.key == key && it.validity.covers(point))?;
        waiting.remove(position).map(|it| it.lookup)
    }

    fn keep(&self, key: String, validity: Validity, lookup: ResourceLookup) {
        let bytes = key.len() + lookup.bytes();
        if bytes > self.waiting_bytes_max {
            return;
        }
        let mut waiting = self.waiting();
        let mut all = bytes + waiting.iter().map(|it| it.bytes).sum::<usize>();
        while all > self.waiting_bytes_max || waiting.len() >= WAITING_MAX {
            let Some(dropped) = waiting.pop_front() else { break };
            all -= dropped.bytes;
        }
        waiting.push_back(ParkedLookup { key, validity, lookup, bytes });
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<ParkedLookup>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View<'_> {
    /// Starts to look for the resources that are behind `after`, or goes on with the lookup that was left there. Tells
    /// what it cost, too. With `tracing`, an error about a way that is too long tells the way.
    pub fn start_lookup(
        &self,
        sought: &LookupResourcesQuery<'_>,
        after: Option<&str>,
        tracing: bool,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(ActiveLookup, Statistics), DatabaseError> {
        let lookups = &self.database.lookups;
        if let Some(after) = after.filter(|_| sought.within.ids.is_empty())
            && let Some(lookup) = lookups.take(&key(sought, after), self.point())
        {
            return Ok((lookups.activate(lookup, lookups.share())?, Statistics::default()));
        }
        let share = lookups.share();
        let room = |bytes| share.resize(bytes);
        let scope = EvalContext { room: &room, ..self.scope(tracing, interrupted) };
        let started = ResourceLookup::start(&scope, sought, after);
        if let Err(EngineError::NoRoom) = started {
            return Err(lookups.too_large());
        }
        let (lookup, cost) = started?;
        Ok((lookups.activate(lookup, share)?, cost))
    }

    /// The next results of a lookup that was started with the same question at the same revision.
    pub fn continue_lookup(
        &self,
        lookup: &mut ActiveLookup,
        sought: &LookupResourcesQuery<'_>,
        count_max: usize,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<LookupPage, DatabaseError> {
        Ok(lookup.lookup.next_page(&self.scope(false, interrupted), sought, count_max)?)
    }

    /// Leaves a lookup behind its last result, for whoever goes on there.
    pub fn park_lookup(&self, lookup: ActiveLookup, sought: &LookupResourcesQuery<'_>, last: &str) {
        if lookup.lookup.is_worth_keeping() {
            let validity = self.point().valid_until(lookup.lookup.until());
            self.database.lookups.keep(key(sought, last), validity, lookup.lookup);
        }
    }
}

/// Everything that decides how a lookup among all resources, or all with a prefix, goes on at a read point. Names and ids
/// hold no byte 0.
fn key(sought: &LookupResourcesQuery<'_>, after: &str) -> String {
    let LookupResourcesQuery { resource_type, permission, subject, context, within } = sought;
    let prefix = &within.prefix;
    format!("{after}\0{prefix}\0{resource_type}\0{permission}\0{subject}\0{context}")
}
