//! Lookups of resources, and those that wait for their next page.

use super::error::DatabaseError;
use super::view::View;
use crate::engine::{Lookup, LookupPage, Sought, Statistics};
use crate::relationship::Revision;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The most lookups that wait.
const COUNT_MAX: usize = 256;

/// Lookups between their pages, so that the next page need not start anew. Those that have waited longest are dropped
/// first; one that is not there only costs time.
#[derive(Debug)]
pub(super) struct Lookups {
    bytes_max: usize,
    waiting: Mutex<VecDeque<Waiting>>,
}

#[derive(Debug)]
struct Waiting {
    key: String,
    lookup: Lookup,
    bytes: usize,
}

impl Lookups {
    /// Keeps what needs `bytes_max` bytes at the most.
    pub(super) fn new(bytes_max: usize) -> Self {
        Self { bytes_max, waiting: Mutex::default() }
    }

    fn take(&self, key: &str) -> Option<Lookup> {
        let mut waiting = self.waiting();
        let position = waiting.iter().position(|it| it.key == key)?;
        waiting.remove(position).map(|it| it.lookup)
    }

    fn keep(&self, key: String, lookup: Lookup) {
        let bytes = key.len() + lookup.bytes();
        if bytes > self.bytes_max {
            return;
        }
        let mut waiting = self.waiting();
        let mut all = bytes + waiting.iter().map(|it| it.bytes).sum::<usize>();
        while all > self.bytes_max || waiting.len() >= COUNT_MAX {
            let Some(dropped) = waiting.pop_front() else { break };
            all -= dropped.bytes;
        }
        waiting.push_back(Waiting { key, lookup, bytes });
    }

    fn waiting(&self) -> MutexGuard<'_, VecDeque<Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl View<'_> {
    /// Starts to look for the resources that are behind `after`, or goes on with the lookup that was left there. Tells
    /// what it cost, too. With `tracing`, an error about a way that is too long tells the way.
    pub fn start_lookup(
        &self,
        sought: &Sought<'_>,
        after: Option<&str>,
        tracing: bool,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<(Lookup, Statistics), DatabaseError> {
        if let Some(after) = after.filter(|_| sought.within.ids.is_empty())
            && let Some(lookup) = self.database.lookups.take(&key(self.revision(), sought, after))
            && lookup.until().is_none_or(|until| self.now() < until)
        {
            return Ok((lookup, Statistics::default()));
        }
        Ok(Lookup::start(&self.scope(tracing, interrupted), sought, after)?)
    }

    /// The next results of a lookup that was started with the same question at the same revision.
    pub fn go_on_with_lookup(
        &self,
        lookup: &mut Lookup,
        sought: &Sought<'_>,
        count_max: usize,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<LookupPage, DatabaseError> {
        Ok(lookup.next_page(&self.scope(false, interrupted), sought, count_max)?)
    }

    /// Leaves a lookup behind its last result, for whoever goes on there.
    pub fn leave_lookup(&self, lookup: Lookup, sought: &Sought<'_>, last: &str) {
        if lookup.is_worth_keeping() {
            self.database.lookups.keep(key(self.revision(), sought, last), lookup);
        }
    }
}

/// Everything that decides how a lookup goes on. Names and ids hold no byte 0.
fn key(revision: Revision, sought: &Sought<'_>, after: &str) -> String {
    let Sought { resource_type, permission, subject, context, within } = sought;
    let prefix = &within.prefix;
    format!(
        "{}\0{after}\0{prefix}\0{resource_type}\0{permission}\0{subject}\0{context}",
        revision.0
    )
}
