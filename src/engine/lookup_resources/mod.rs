//! Lookup of resources: on which resources of a type does the subject have the permission?
//!
//! The graph is walked from the subject, along the schema's [`Routes`](crate::schema::Routes). First the objects on the
//! way are found (`spread`); then what relationships lead from these into the permission is merged in order (`merge`).
//! Whatever is certain on its way is a result. For the others the check's own walk decides, so that lookup and check
//! cannot disagree.

mod frontier;
mod id_set;
mod merge;
mod reached;
mod source;

use crate::engine::check::reader::CountedReader;
use crate::engine::check::walk::CheckWalk;
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::eval_context::EvalContext;
use crate::engine::limits::Statistics;
use crate::engine::lookup_resources::frontier::Frontier;
use crate::engine::lookup_resources::merge::ResultMerge;
use crate::engine::lookup_resources::source::Candidate;
use crate::engine::resolve::{ResolvedSubject, ask_about, require_definition, require_node};
use crate::relationship::{Context, Permissionship, RelationshipReader, Subject, Timestamp};
use crate::schema::NodeId;
use std::collections::BTreeSet;

/// How much work may lie between two pages that are not empty, in visits and reads.
const PAGE_WORK: u64 = 20_000;

/// The answers about so many candidates of one lookup are kept for other questions. A long lookup would push everything
/// else out of the cache, and asks about each of its candidates once.
const SHARED_MAX: u64 = 1000;
/// What an id in a list takes of memory, roughly.
const LISTED_BYTES: usize = 64;

/// On which resources may this subject do this?
#[derive(Clone, Copy, Debug)]
pub struct LookupResourcesQuery<'q> {
    /// The resources' type.
    pub resource_type: &'q str,
    /// A permission or relation of that type.
    pub permission: &'q str,
    /// Who asks for access: an object or a userset.
    pub subject: &'q Subject,
    /// Values for caveat parameters that the relationships do not store.
    pub context: &'q Context,
    /// Which resources come into question.
    pub within: &'q ResourceFilter,
}

/// Which resources come into question.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceFilter {
    /// Only these ids, when there are any.
    pub ids: BTreeSet<String>,
    /// Only ids that start so.
    pub prefix: String,
}

/// A resource on which the subject has the permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundResource {
    /// Its id.
    pub object_id: String,
    /// The names that the context lacks; none when it has the permission whatever they are.
    pub missing: BTreeSet<String>,
}

/// Some results, in order.
#[derive(Debug, Default)]
pub struct LookupPage {
    /// The results.
    pub found: Vec<FoundResource>,
    /// Whether nothing follows.
    pub ended: bool,
    /// What they cost.
    pub statistics: Statistics,
}

/// A lookup under way: where it is, and what it has read ahead. It holds no reader, so that it can wait between pages; each
/// of its steps wants the schema, the relationships and the question that it was started with.
#[derive(Debug)]
pub struct ResourceLookup {
    target: NodeId,
    prefix: String,
    candidates: CandidateSource,
    /// How many candidates have been asked about.
    asked_about: u64,
    /// Why it could not go on behind the last page.
    failure: Option<EngineError>,
}

#[derive(Debug)]
enum CandidateSource {
    Reached(Box<ResultMerge>),
    Listed(std::collections::btree_set::IntoIter<String>),
}

impl ResourceLookup {
    /// Starts to look for the resources whose ids come after `after` in byte order. Gives what that cost, too.
    pub fn start<R: RelationshipReader>(
        scope: &EvalContext<'_, R>,
        sought: &LookupResourcesQuery<'_>,
        after: Option<&str>,
    ) -> Result<(Self, Statistics), EngineError> {
        let (target, asked) = resolve(scope, sought)?;
        let ResourceFilter { ids, prefix } = sought.within;
        let before = before(prefix);
        let after = after.unwrap_or_default().max(&before);
        let lookup = |candidates| Self {
            target,
            prefix: prefix.clone(),
            candidates,
            asked_about: 0,
            failure: None,
        };
        if !ids.is_empty() {
            let rest = ids.iter().filter(|id| id.as_str() > after).cloned();
            let listed = rest.collect::<BTreeSet<_>>().into_iter();
            return Ok((lookup(CandidateSource::Listed(listed)), Statistics::default()));
        }
        let mut reads = CountedReader::new(scope, asked.context);
        let routes = scope.schema.routes(target);
        let (stations, visits) = Frontier::new(scope, asked, &mut reads, routes).run()?;
        let merge = ResultMerge::new(scope, &asked, target, stations, after)?;
        let (reads, caveat_steps) = reads.counts();
        let statistics = Statistics { visits, reads, caveat_steps, ..Statistics::default() };
        Ok((lookup(CandidateSource::Reached(Box::new(merge))), statistics))
    }

    /// The next results, at most `count_max`, in byte order of their ids: fewer when the next one costs much. Only the last
    /// page may be empty. The bounds of the scope are for one page.
    ///
    /// After an error there is nothing more to get from the lookup.
    pub fn next_page<R: RelationshipReader>(
        &mut self,
        scope: &EvalContext<'_, R>,
        sought: &LookupResourcesQuery<'_>,
        count_max: usize,
    ) -> Result<LookupPage, EngineError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let (_, asked) = resolve(scope, sought)?;
        let mut turn = PageWork::new(scope, asked);
        let mut page = LookupPage::default();
        while page.found.len() < count_max && (page.found.is_empty() || turn.work() < PAGE_WORK) {
            match self.next(&mut turn) {
                Ok(Some(found)) => page.found.push(found),
                Ok(None) => {
                    page.ended = true;
                    break;
                }
                Err(error) if page.found.is_empty() => return Err(error),
                // What was found before it is right.
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
        }
        page.statistics = turn.statistics();
        Ok(page)
    }

    /// From when on it may no longer be gone on with, because a relationship that it has read will have expired.
    pub fn until(&self) -> Option<Timestamp> {
        match &self.candidates {
            CandidateSource::Reached(merge) => merge.stations.until,
            CandidateSource::Listed(_) => None,
        }
    }

    /// Whether to start it anew would cost more than its next page.
    pub fn is_worth_keeping(&self) -> bool {
        matches!(self.candidates, CandidateSource::Reached(_)) && self.failure.is_none()
    }

    /// The most that it takes of memory until it ends, roughly.
    pub fn bytes_max(&self) -> usize {
        match &self.candidates {
            CandidateSource::Reached(merge) => merge.bytes_max(),
            CandidateSource::Listed(_) => self.bytes(),
        }
    }

    /// What it takes of memory, roughly.
    pub fn bytes(&self) -> usize {
        match &self.candidates {
            CandidateSource::Reached(merge) => merge.bytes(),
            CandidateSource::Listed(ids) => ids.len() * LISTED_BYTES,
        }
    }

    fn next<R: RelationshipReader>(
        &mut self,
        turn: &mut PageWork<'_, R>,
    ) -> Result<Option<FoundResource>, EngineError> {
        loop {
            let candidate = match &mut self.candidates {
                CandidateSource::Reached(merge) => {
                    merge.next(&turn.scope, &turn.asked, &mut turn.reads)?
                }
                CandidateSource::Listed(ids) => {
                    ids.next().map(|id| Candidate { id: id.into(), certain: false })
                }
            };
            let Some(Candidate { id, certain }) = candidate else { return Ok(None) };
            if !id.starts_with(&self.prefix) {
                if matches!(self.candidates, CandidateSource::Reached(_)) {
                    return Ok(None);
                }
                continue;
            }
            let permissionship = if certain {
                Permissionship::HasPermission
            } else {
                self.asked_about += 1;
                turn.check(self.target, &id, self.asked_about <= SHARED_MAX)?
            };
            let missing = match permissionship {
                Permissionship::NoPermission => continue,
                Permissionship::HasPermission => BTreeSet::new(),
                Permissionship::Conditional(missing) => missing,
            };
            return Ok(Some(FoundResource { object_id: id.into(), missing }));
        }
    }
}

/// The work for one page.
struct PageWork<'s, R> {
    scope: EvalContext<'s, R>,
    asked: ResolvedSubject<'s>,
    reads: CountedReader<'s, R>,
    walk: CheckWalk<'s, R>,
    /// What the checks have cost.
    checks: Statistics,
}

impl<'s, R: RelationshipReader> PageWork<'s, R> {
    fn new(scope: &EvalContext<'s, R>, asked: ResolvedSubject<'s>) -> Self {
        Self {
            scope: *scope,
            asked,
            reads: CountedReader::new(scope, asked.context),
            // What the checks find is not told.
            walk: CheckWalk::new(&EvalContext { tracing: false, ..*scope }, asked),
            checks: Statistics::default(),
        }
    }

    fn work(&self) -> u64 {
        self.checks.visits + self.checks.reads + self.reads.counts().0
    }

    fn statistics(&self) -> Statistics {
        let (reads, caveat_steps) = self.reads.counts();
        let mut all = self.checks;
        all.reads += reads;
        all.caveat_steps += caveat_steps;
        all
    }

    /// Asks about a candidate: each as a check by itself would, and all of a page together within the bounds of one.
    /// `shares` says whether the answer is worth a place in the cache.
    fn check(
        &mut self,
        target: NodeId,
        id: &str,
        shares: bool,
    ) -> Result<Permissionship, EngineError> {
        let place = (target, id.into());
        let truth = if shares { self.walk.run(&place) } else { self.walk.run_once(&place) }?;
        self.checks.add(&self.walk.statistics());
        let (all, limits) = (self.statistics(), self.scope.limits);
        for (work, spent, limit) in [
            (WorkKind::Visits, all.visits, limits.visits_max),
            (WorkKind::Reads, all.reads, limits.reads_max),
            (WorkKind::CaveatSteps, all.caveat_steps, limits.caveat_steps_max),
        ] {
            if spent > limit {
                return Err(EngineError::WorkExceeded { work, limit });
            }
        }
        truth.query_result()
    }
}

/// Turns names into ids: the resources' first, then the subject's.
fn resolve<'q, R>(
    scope: &EvalContext<'_, R>,
    sought: &LookupResourcesQuery<'q>,
) -> Result<(NodeId, ResolvedSubject<'q>), EngineError> {
    let definition = require_definition(scope.schema, sought.resource_type)?;
    let target = require_node(scope.schema, definition, sought.permission)?;
    if let Subject::Wildcard(subject_type) = sought.subject {
        require_definition(scope.schema, subject_type)?;
        return Err(EngineError::WildcardLookup);
    }
    Ok((target, ask_about(scope.schema, sought.subject, sought.context)?))
}

/// A text that is smaller than every id with a prefix, and larger than all other ids that are.
fn before(prefix: &str) -> String {
    /// Above every character of an id.
    const LAST: char = '\u{7f}';
    let mut before = prefix.to_owned();
    let Some(last) = before.pop() else { return before };
    let previous = u32::from(last).checked_sub(1).and_then(char::from_u32);
    before.extend(previous.into_iter().chain([LAST]));
    before
}
