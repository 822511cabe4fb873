//! Lookups of resources and of subjects, page by page.

use super::view::View;
use crate::database::error::DatabaseError;
use crate::database::lookup_pool::ActiveLookup;
use crate::engine::{
    EngineError, EvalContext, FoundSubject, LookupPage, LookupResourcesQuery, LookupSubjectsQuery,
    ResourceLookup, Statistics, SubjectLookup,
};

impl View<'_> {
    /// Starts a lookup of resources after the id `after`, or resumes the one that was parked there. Returns its cost, too.
    /// With `tracing`, an error about the depth limit carries the path.
    pub fn start_lookup(
        &self,
        query: &LookupResourcesQuery<'_>,
        after: Option<&str>,
        tracing: bool,
    ) -> Result<(ActiveLookup, Statistics), DatabaseError> {
        let pool = &self.database.state.lookups;
        if let Some(after) = after.filter(|_| query.within.ids.is_empty())
            && let Some(lookup) = pool.unpark(&parking_key(query, after), self.point())
        {
            return Ok((pool.activate(lookup, pool.lease())?, Statistics::default()));
        }

        let lease = pool.lease();
        let room = |bytes| lease.resize(bytes);
        let context = EvalContext { room: &room, ..self.eval_context(tracing) };
        let started = ResourceLookup::start(&context, query, after);
        let has_room = !matches!(started, Err(EngineError::NoRoom));
        let started = self.evaluated(started);
        let (lookup, cost) = if has_room { started? } else { return Err(pool.out_of_memory()) };
        Ok((pool.activate(lookup, lease)?, cost))
    }

    /// The next results of a lookup that was started with the same query at the same revision.
    pub fn continue_lookup(
        &self,
        lookup: &mut ActiveLookup,
        query: &LookupResourcesQuery<'_>,
        count_max: usize,
    ) -> Result<LookupPage, DatabaseError> {
        self.evaluated(lookup.lookup.next_page(&self.eval_context(false), query, count_max))
    }

    /// Parks a lookup after its last result, so that the next page can resume it.
    pub fn park_lookup(&self, lookup: ActiveLookup, query: &LookupResourcesQuery<'_>, last: &str) {
        if lookup.lookup.is_worth_keeping() {
            let validity = self.point().valid_until(lookup.lookup.until());
            let pool = &self.database.state.lookups;
            pool.park(parking_key(query, last), validity, lookup.lookup);
        }
    }

    /// Starts a lookup of subjects, after the id `after` or at the beginning. [`Self::next_subjects`] returns its pages, at
    /// the same revision.
    pub fn look_up_subjects(
        &self,
        query: &LookupSubjectsQuery<'_>,
        after: Option<&str>,
    ) -> Result<SubjectLookup, DatabaseError> {
        self.evaluated(SubjectLookup::new(&self.eval_context(false), query, after))
    }

    /// The next subjects of a lookup: `count_max`, and fewer only at the end.
    pub fn next_subjects(
        &self,
        lookup: &mut SubjectLookup,
        count_max: usize,
    ) -> Result<Vec<FoundSubject>, DatabaseError> {
        self.evaluated(lookup.next(&self.eval_context(false), count_max))
    }
}

/// Everything that decides how a lookup continues at a read point. Names and ids contain no byte 0, so the key is
/// unambiguous.
fn parking_key(query: &LookupResourcesQuery<'_>, after: &str) -> String {
    let LookupResourcesQuery { resource_type, permission, subject, context, within } = query;
    let prefix = &within.prefix;
    let starts = within.starts.iter().map(String::as_str).collect::<Vec<_>>().join("\0");
    let count = within.starts.len();
    format!(
        "{after}\0{prefix}\0{count}\0{starts}\0{resource_type}\0{permission}\0{subject}\0{context}"
    )
}
