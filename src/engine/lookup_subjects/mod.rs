//! `LookupSubjects`: the subjects of a type that have a permission on a resource.

pub(super) mod components;
mod graph;
mod plan;
mod set;
pub(super) mod solve;
mod window;

use crate::engine::check::reader::CountedReader;
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::eval_context::EvalContext;
use crate::engine::limits::Statistics;
use crate::engine::lookup_subjects::plan::{SubjectKind, SubjectPlan};
use crate::engine::lookup_subjects::set::SubjectEntry;
use crate::engine::lookup_subjects::solve::rest;
use crate::engine::lookup_subjects::window::{SubjectWindow, SubjectWindows};
use crate::engine::resolve::{require_definition, require_node};
use crate::engine::truth::Truth;
use crate::relationship::{Context, ObjectRef, Permissionship, RelationshipReader, WILDCARD_ID};
use std::collections::VecDeque;

/// Maximum number of subjects excluded from a wildcard: they are returned in one message.
const EXCLUDED_MAX: u64 = 100_000;
/// Which subjects have this permission on that resource.
#[derive(Clone, Copy, Debug)]
pub struct LookupSubjectsQuery<'q> {
    /// The object that access is requested to.
    pub resource: &'q ObjectRef,
    /// A permission or relation of its definition.
    pub permission: &'q str,
    /// The subjects' type.
    pub subject_type: &'q str,
    /// The relation of the usersets, when usersets are requested.
    pub subject_relation: Option<&'q str>,
    /// Values for caveat parameters that the relationships do not store.
    pub context: &'q Context,
    /// Whether the results may include a wildcard.
    pub wildcards: bool,
}

/// A subject that has the permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSubject {
    /// Its id; `*` for a wildcard.
    pub object_id: String,
    /// Never [`Permissionship::NoPermission`].
    pub permissionship: Permissionship,
    /// For a wildcard: the subjects for which its permissionship does not hold.
    pub excluded: Vec<ExcludedSubject>,
}

/// A subject excluded from a wildcard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExcludedSubject {
    /// Its id.
    pub object_id: String,
    /// Its permissionship: none, or dependent on context.
    pub permissionship: Permissionship,
}

/// A subject lookup in progress.
///
/// The results agree with checks. A listed subject has the permissionship that its check returns. A subject that is not
/// listed but excluded from the wildcard has the permissionship given there. Every other subject has the wildcard's
/// permissionship, in every context. The wildcard comes first, then the subjects in byte order of their ids, each once. A
/// subject is listed only when a relationship that names it contributed to its value; subjects that only the wildcard
/// covers are not listed.
#[derive(Debug)]
pub struct SubjectLookup {
    kind: SubjectKind,
    context: Context,
    plan: SubjectPlan,
    windows: SubjectWindows,
    /// The value of every subject that no relationship names.
    rest: Truth,
    found: VecDeque<FoundSubject>,
    statistics: Statistics,
}

impl SubjectLookup {
    /// Starts a lookup after the result with this id, or at the beginning.
    pub fn new<R: RelationshipReader>(
        eval: &EvalContext<'_, R>,
        query: &LookupSubjectsQuery<'_>,
        after: Option<&str>,
    ) -> Result<Self, EngineError> {
        let resource = query.resource;
        let definition = require_definition(eval.schema, resource.object_type())?;
        let node = require_node(eval.schema, definition, query.permission)?;
        let definition = require_definition(eval.schema, query.subject_type)?;
        let relation = query.subject_relation;
        let relation =
            relation.map(|name| require_node(eval.schema, definition, name)).transpose()?;

        let kind = SubjectKind { definition, relation };
        let mut reads = CountedReader::new(eval, query.context);
        let plan = SubjectPlan::new(eval, &mut reads, kind, (node, resource.object_id().into()))?;
        let rest = rest(eval, &plan)?;

        let (visits, depth) = (plan.visits, plan.depth);
        let mut lookup = Self {
            kind,
            context: query.context.clone(),
            windows: SubjectWindows::new(&plan, after, eval.limits.subjects_max),
            plan,
            rest,
            found: VecDeque::new(),
            statistics: Statistics { visits, depth, ..Statistics::default() },
        };
        if query.wildcards && after.is_none() && !lookup.rest.is_no() {
            let wildcard = lookup.wildcard(eval, &mut reads)?;
            lookup.found.push_back(wildcard);
        }
        lookup.record_work(&reads);
        Ok(lookup)
    }

    /// The next results, at most `count_max`; fewer only at the end.
    pub fn next<R: RelationshipReader>(
        &mut self,
        eval: &EvalContext<'_, R>,
        count_max: usize,
    ) -> Result<Vec<FoundSubject>, EngineError> {
        let context = self.context.clone();
        let mut reads = CountedReader::new(eval, &context);
        reads.count_on(self.statistics.reads, self.statistics.caveat_steps);

        while self.found.len() < count_max {
            let next = self.windows.next(eval, &mut reads, self.kind, &self.plan)?;
            let Some(SubjectWindow { ids, set }) = next else { break };
            for (id, entry) in with_ids(ids, set.entries) {
                if Self::lists(&entry) {
                    let permissionship = entry.truth.query_result()?;
                    self.found.push_back(FoundSubject {
                        object_id: id,
                        permissionship,
                        excluded: Vec::new(),
                    });
                }
            }
        }
        self.record_work(&reads);
        let count = count_max.min(self.found.len());
        Ok(self.found.drain(..count).collect())
    }

    /// The work done so far.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    fn record_work<R: RelationshipReader>(&mut self, reads: &CountedReader<'_, R>) {
        (self.statistics.reads, self.statistics.caveat_steps) = reads.counts();
    }

    /// Whether a subject may have the permission beyond what the wildcard grants it.
    fn lists(entry: &SubjectEntry) -> bool {
        !entry.truth.is_no() && (entry.named || !entry.bounds.at_most)
    }

    /// The wildcard with its excluded subjects, which takes a pass over the whole list.
    fn wildcard<R: RelationshipReader>(
        &self,
        eval: &EvalContext<'_, R>,
        reads: &mut CountedReader<'_, R>,
    ) -> Result<FoundSubject, EngineError> {
        let mut excluded = Vec::new();
        let limit = eval.limits.subjects_max.min(EXCLUDED_MAX);
        let mut windows = SubjectWindows::new(&self.plan, None, eval.limits.subjects_max);

        while let Some(SubjectWindow { ids, set }) =
            windows.next(eval, reads, self.kind, &self.plan)?
        {
            for (object_id, SubjectEntry { truth, bounds, .. }) in with_ids(ids, set.entries) {
                if !bounds.at_least {
                    let permissionship = truth.query_result()?;
                    excluded.push(ExcludedSubject { object_id, permissionship });
                }
            }
            if u64::try_from(excluded.len()).unwrap_or(u64::MAX) > limit {
                return Err(EngineError::WorkExceeded { work: WorkKind::Subjects, limit });
            }
        }

        let object_id = WILDCARD_ID.to_owned();
        Ok(FoundSubject { object_id, permissionship: self.rest.query_result()?, excluded })
    }
}

/// Each entry with its id.
fn with_ids(
    ids: Vec<String>,
    entries: Vec<SubjectEntry>,
) -> impl Iterator<Item = (String, SubjectEntry)> {
    let mut entries = entries.into_iter().peekable();
    ids.into_iter()
        .enumerate()
        .filter_map(move |(at, id)| Some((id, entries.next_if(|entry| entry.id == at)?)))
}
