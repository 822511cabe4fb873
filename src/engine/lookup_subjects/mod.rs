//! Who has a permission on a resource?

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
use crate::relationship::{Context, ObjectRef, Permissionship, RelationshipReader};
use std::collections::VecDeque;

/// The most subjects that a wildcard may except: they are told together.
const EXCLUDED_MAX: u64 = 100_000;
/// The id of a wildcard among the results.
const WILDCARD_ID: &str = "*";

/// Which subjects have this permission on that resource?
#[derive(Clone, Copy, Debug)]
pub struct LookupSubjectsQuery<'q> {
    /// The object that access is about.
    pub resource: &'q ObjectRef,
    /// A permission or relation of its definition.
    pub permission: &'q str,
    /// The subjects' type.
    pub subject_type: &'q str,
    /// The relation of usersets, when these are looked for.
    pub subject_relation: Option<&'q str>,
    /// Values for caveat parameters that the relationships do not store.
    pub context: &'q Context,
    /// Whether a wildcard is among the results.
    pub wildcards: bool,
}

/// A subject that has the permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundSubject {
    /// Its id; `*` for a wildcard.
    pub object_id: String,
    /// Whether it has it, or depends on context; never [`Permissionship::NoPermission`].
    pub permissionship: Permissionship,
    /// Whom a wildcard does not cover, or not as it says.
    pub excluded: Vec<ExcludedSubject>,
}

/// A subject that a wildcard does not cover, or not as it says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExcludedSubject {
    /// Its id.
    pub object_id: String,
    /// Whether it has the permission: it has not, or depends on context.
    pub permissionship: Permissionship,
}

/// A list of subjects under way.
///
/// What it gives agrees with checks: a subject that is listed has the value that a check of it has; else, one that the
/// wildcard excepts has the value that stands there; else, everybody has the wildcard's value, and keeps it whatever
/// context is added. The wildcard comes first,
/// then the subjects in byte order of their ids, each once. A subject is listed when a relationship that names it had a part
/// in its value, so that nobody is listed who is only covered by the wildcard.
#[derive(Debug)]
pub struct SubjectLookup {
    kind: SubjectKind,
    context: Context,
    plan: SubjectPlan,
    windows: SubjectWindows,
    /// The value of everybody whom no relationship names.
    rest: Truth,
    found: VecDeque<FoundSubject>,
    statistics: Statistics,
}

impl SubjectLookup {
    /// Starts after the result with this id, or at the beginning.
    pub fn new<R: RelationshipReader>(
        scope: &EvalContext<'_, R>,
        question: &LookupSubjectsQuery<'_>,
        after: Option<&str>,
    ) -> Result<Self, EngineError> {
        let resource = question.resource;
        let definition = require_definition(scope.schema, resource.object_type())?;
        let node = require_node(scope.schema, definition, question.permission)?;
        let definition = require_definition(scope.schema, question.subject_type)?;
        let relation = question.subject_relation;
        let relation =
            relation.map(|name| require_node(scope.schema, definition, name)).transpose()?;
        let kind = SubjectKind { definition, relation };
        let mut reads = CountedReader::new(scope, question.context);
        let plan = SubjectPlan::new(scope, &mut reads, kind, (node, resource.object_id().into()))?;
        let rest = rest(scope, &plan)?;
        let (visits, depth) = (plan.visits, plan.depth);
        let mut lookup = Self {
            kind,
            context: question.context.clone(),
            windows: SubjectWindows::new(&plan, after, scope.limits.subjects_max),
            plan,
            rest,
            found: VecDeque::new(),
            statistics: Statistics { visits, depth, ..Statistics::default() },
        };
        if question.wildcards && after.is_none() && !lookup.rest.is_no() {
            let wildcard = lookup.wildcard(scope, &mut reads)?;
            lookup.found.push_back(wildcard);
        }
        lookup.note(&reads);
        Ok(lookup)
    }

    /// The next subjects, at most so many; fewer only at the end.
    pub fn next<R: RelationshipReader>(
        &mut self,
        scope: &EvalContext<'_, R>,
        count_max: usize,
    ) -> Result<Vec<FoundSubject>, EngineError> {
        let context = self.context.clone();
        let mut reads = CountedReader::new(scope, &context);
        reads.count_on(self.statistics.reads, self.statistics.caveat_steps);
        while self.found.len() < count_max {
            let next = self.windows.next(scope, &mut reads, self.kind, &self.plan)?;
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
        self.note(&reads);
        let count = count_max.min(self.found.len());
        Ok(self.found.drain(..count).collect())
    }

    /// What it has cost so far.
    pub fn statistics(&self) -> Statistics {
        self.statistics
    }

    fn note<R: RelationshipReader>(&mut self, reads: &CountedReader<'_, R>) {
        (self.statistics.reads, self.statistics.caveat_steps) = reads.counts();
    }

    /// Whether a subject may have the permission, and that does not follow from what is said of the wildcard.
    fn lists(entry: &SubjectEntry) -> bool {
        !entry.truth.is_no() && (entry.named || !entry.bounds.at_most)
    }

    /// The wildcard, with everybody whom it promises more than they have: a look at the whole list.
    fn wildcard<R: RelationshipReader>(
        &self,
        scope: &EvalContext<'_, R>,
        reads: &mut CountedReader<'_, R>,
    ) -> Result<FoundSubject, EngineError> {
        let mut excluded = Vec::new();
        let limit = scope.limits.subjects_max.min(EXCLUDED_MAX);
        let mut windows = SubjectWindows::new(&self.plan, None, scope.limits.subjects_max);
        while let Some(SubjectWindow { ids, set }) =
            windows.next(scope, reads, self.kind, &self.plan)?
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
