//! `LookupResources`: the resources of a type on which a subject has a permission.
//!
//! The graph is traversed from the subject, along the schema's [`Routes`](crate::schema::Routes). First the objects between
//! the subject and the results are collected ([`frontier`]). Then the relationships that lead from them to the permission
//! are merged in id order ([`merge`]). A candidate that was reached with certainty is a result. Every other candidate is
//! decided by a check, so that lookup and check always agree. What these checks read of the candidates is read for many of
//! them at a time ([`prefetch`]).

mod frontier;
mod heads;
mod id_set;
mod merge;
mod prefetch;
mod reached;
mod row_buffer;
mod source;

use crate::engine::check::reader::CountedReader;
use crate::engine::check::walk::CheckWalk;
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::eval_context::EvalContext;
use crate::engine::limits::Statistics;
use crate::engine::lookup_resources::frontier::Frontier;
use crate::engine::lookup_resources::merge::ResultMerge;
use crate::engine::lookup_resources::prefetch::PrefetchingReader;
use crate::engine::lookup_resources::source::Candidate;
use crate::engine::resolve::{ResolvedSubject, require_definition, require_node, resolve_subject};
use crate::relationship::{Context, Permissionship, RelationshipReader, Subject, Timestamp};
use crate::schema::NodeId;
use std::collections::{BTreeSet, VecDeque};

/// Maximum work for a page that already has results, in visits and reads.
const PAGE_WORK: u64 = 20_000;

/// Number of candidates of one lookup whose checks are stored in the shared cache. A long lookup would evict everything
/// else, and checks each of its candidates only once.
const SHARED_MAX: u64 = 1000;
/// Approximate memory of an id in a list, in bytes.
const LISTED_BYTES: usize = 64;

/// On which resources this subject has that permission.
#[derive(Clone, Copy, Debug)]
pub struct LookupResourcesQuery<'q> {
    /// The resources' type.
    pub resource_type: &'q str,
    /// A permission or relation of that type.
    pub permission: &'q str,
    /// The subject that requests access: an object or a userset.
    pub subject: &'q Subject,
    /// Values for caveat parameters that the relationships do not store.
    pub context: &'q Context,
    /// The resources to consider.
    pub within: &'q ResourceFilter,
}

/// Restricts a lookup to some resources.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ResourceFilter {
    /// Only these ids; all when empty.
    pub ids: BTreeSet<String>,
    /// Only ids with this prefix.
    pub prefix: String,
    /// Only ids that begin with one of these; any when empty.
    pub starts: BTreeSet<String>,
}

impl ResourceFilter {
    fn has_start(&self, id: &str) -> bool {
        self.starts.is_empty() || self.starts.iter().any(|start| id.starts_with(start.as_str()))
    }

    /// Whether an id and all after it are none of these.
    fn is_past(&self, id: &str) -> bool {
        let last = self.starts.last().map_or("", String::as_str);
        !id.starts_with(&self.prefix) || (id > last && !id.starts_with(last))
    }
}

/// A resource on which the subject has the permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FoundResource {
    /// Its id.
    pub object_id: String,
    /// The names of the missing context; empty when the subject has the permission regardless of it.
    pub missing: BTreeSet<String>,
}

/// A page of results, in order.
#[derive(Debug, Default)]
pub struct LookupPage {
    /// The results.
    pub found: Vec<FoundResource>,
    /// Whether this is the last page.
    pub ended: bool,
    /// The work that was done for the page.
    pub statistics: Statistics,
}

/// A resource lookup in progress: its position and the rows read ahead. It holds no reader, so it can be parked between
/// pages. Each call needs the schema, the relationships and the query that it was started with.
#[derive(Debug)]
pub struct ResourceLookup {
    target: NodeId,
    within: ResourceFilter,
    candidates: CandidateSource,
    /// The next candidates, which have been taken from their source.
    pulled: VecDeque<Candidate>,
    /// What the source gave after them.
    pulled_end: PulledEnd,
    /// The number of candidates that were checked.
    checked_count: u64,
    /// The error that ended the last page early; the next page returns it.
    failure: Option<EngineError>,
}

/// What comes after the candidates that have been taken from their source.
#[derive(Debug)]
enum PulledEnd {
    More,
    /// Many that are not wanted.
    Paused,
    Nothing,
    Failed(EngineError),
}

/// How many candidates are taken from their source at once, at most.
const PULLED_MAX: usize = 512;
/// Approximate memory of one of them, in bytes.
const PULLED_BYTES: usize = size_of::<Candidate>() + 32;
/// How many candidates that are not wanted are skipped in one page.
const SKIPPED_MAX: usize = 10_000;

#[derive(Debug)]
enum CandidateSource {
    Reached(Box<ResultMerge>),
    Listed(std::collections::btree_set::IntoIter<String>),
}

impl ResourceLookup {
    /// Starts a lookup of the resources whose ids come after `after` in byte order. Also returns the work that was done.
    pub fn start<R: RelationshipReader>(
        eval: &EvalContext<'_, R>,
        query: &LookupResourcesQuery<'_>,
        after: Option<&str>,
    ) -> Result<(Self, Statistics), EngineError> {
        let (target, resolved) = resolve(eval, query)?;
        let ResourceFilter { ids, prefix, starts } = query.within;
        let first = starts.first().map_or("", String::as_str);
        let before = lower_bound(prefix).max(lower_bound(first));
        let after = after.unwrap_or_default().max(&before);
        let within =
            ResourceFilter { ids: BTreeSet::new(), prefix: prefix.clone(), starts: starts.clone() };
        let lookup = |candidates| Self {
            target,
            within: within.clone(),
            candidates,
            pulled: VecDeque::new(),
            pulled_end: PulledEnd::More,
            checked_count: 0,
            failure: None,
        };
        if !ids.is_empty() {
            let rest = ids.iter().filter(|id| id.as_str() > after).cloned();
            let listed = rest.collect::<BTreeSet<_>>().into_iter();
            return Ok((lookup(CandidateSource::Listed(listed)), Statistics::default()));
        }

        let mut reads = CountedReader::new(eval, resolved.context);
        let routes = eval.schema.routes(target);
        let (reached, visits) = Frontier::new(eval, resolved, &mut reads, routes).run()?;
        let merge = ResultMerge::new(eval, &resolved, target, reached, after)?;
        let (reads, caveat_steps) = reads.counts();
        let statistics = Statistics { visits, reads, caveat_steps, ..Statistics::default() };
        Ok((lookup(CandidateSource::Reached(Box::new(merge))), statistics))
    }

    /// The next results, at most `count_max`, in byte order of their ids; fewer when the next one is expensive. Only the last
    /// page may be empty, and one after many ids that none of the filter's starts has. The limits of `eval` apply to each page.
    ///
    /// # Errors
    ///
    /// After an error the lookup has no further results.
    pub fn next_page<R: RelationshipReader>(
        &mut self,
        eval: &EvalContext<'_, R>,
        query: &LookupResourcesQuery<'_>,
        count_max: usize,
    ) -> Result<LookupPage, EngineError> {
        if let Some(failure) = self.failure.take() {
            return Err(failure);
        }
        let (_, resolved) = resolve(eval, query)?;
        let reader = PrefetchingReader::new(eval.reader);
        let mut page_work = PageWork::new(eval, &reader, resolved);
        let mut page = LookupPage::default();

        while page.found.len() < count_max
            && (page.found.is_empty() || page_work.work() < PAGE_WORK)
        {
            match self.next(&mut page_work, count_max - page.found.len()) {
                Ok(LookupStep::Found(found)) => page.found.push(found),
                Ok(LookupStep::Paused) => break,
                Ok(LookupStep::Ended) => {
                    page.ended = true;
                    break;
                }
                Err(error) if page.found.is_empty() => return Err(error),
                // The results before the error are valid: they are returned first.
                Err(error) => {
                    self.failure = Some(error);
                    break;
                }
            }
        }
        page.statistics = page_work.statistics();
        Ok(page)
    }

    /// The time after which the lookup must not be resumed, because a relationship that it has read expires.
    pub fn until(&self) -> Option<Timestamp> {
        match &self.candidates {
            CandidateSource::Reached(merge) => merge.reached.until,
            CandidateSource::Listed(_) => None,
        }
    }

    /// Whether restarting the lookup would cost more than its next page.
    pub fn is_worth_keeping(&self) -> bool {
        matches!(self.candidates, CandidateSource::Reached(_)) && self.failure.is_none()
    }

    /// The maximum memory until the lookup ends, in bytes, approximately.
    pub fn bytes_max(&self) -> usize {
        match &self.candidates {
            CandidateSource::Reached(merge) => merge.bytes_max() + PULLED_BYTES * PULLED_MAX,
            CandidateSource::Listed(_) => self.bytes(),
        }
    }

    /// The memory in use, in bytes, approximately.
    pub fn bytes(&self) -> usize {
        let pulled = PULLED_BYTES * self.pulled.capacity();
        pulled
            + match &self.candidates {
                CandidateSource::Reached(merge) => merge.bytes(),
                CandidateSource::Listed(ids) => ids.len() * LISTED_BYTES,
            }
    }

    /// The next result. `count_max` says how many are still wanted.
    fn next<R: RelationshipReader>(
        &mut self,
        page_work: &mut PageWork<'_, R>,
        count_max: usize,
    ) -> Result<LookupStep, EngineError> {
        loop {
            let Some(Candidate { id, certain }) = self.pulled.pop_front() else {
                match std::mem::replace(&mut self.pulled_end, PulledEnd::More) {
                    PulledEnd::More => self.pull(page_work, count_max),
                    PulledEnd::Paused => return Ok(LookupStep::Paused),
                    PulledEnd::Nothing => {
                        self.pulled_end = PulledEnd::Nothing;
                        return Ok(LookupStep::Ended);
                    }
                    PulledEnd::Failed(error) => return Err(error),
                }
                continue;
            };
            let permissionship = if certain {
                Permissionship::HasPermission
            } else {
                self.checked_count += 1;
                page_work.check(self.target, &id, self.checked_count <= SHARED_MAX)?
            };
            let missing = match permissionship {
                Permissionship::NoPermission => continue,
                Permissionship::HasPermission => BTreeSet::new(),
                Permissionship::Conditional(missing) => missing,
            };
            return Ok(LookupStep::Found(FoundResource { object_id: id, missing }));
        }
    }

    /// Takes the next candidates from their source: as many as results are wanted, and more while most turn out to be none.
    fn pull<R: RelationshipReader>(&mut self, page_work: &mut PageWork<'_, R>, count_max: usize) {
        let wanted = count_max.max(page_work.pulled).clamp(1, PULLED_MAX);
        self.pulled_end = self.pull_wanted(page_work, wanted).unwrap_or_else(PulledEnd::Failed);
        page_work.pulled += self.pulled.len();
        page_work.expect(self.target, &self.pulled);
    }

    fn pull_wanted<R: RelationshipReader>(
        &mut self,
        page_work: &mut PageWork<'_, R>,
        wanted: usize,
    ) -> Result<PulledEnd, EngineError> {
        while self.pulled.len() < wanted {
            let candidate = match &mut self.candidates {
                CandidateSource::Reached(merge) => {
                    merge.next(&page_work.eval, &page_work.resolved, &mut page_work.reads)?
                }
                CandidateSource::Listed(ids) => {
                    ids.next().map(|id| Candidate { id, certain: false })
                }
            };
            let Some(candidate) = candidate else { return Ok(PulledEnd::Nothing) };
            let is_reached = matches!(self.candidates, CandidateSource::Reached(_));
            if is_reached && self.within.is_past(&candidate.id) {
                return Ok(PulledEnd::Nothing);
            }
            if candidate.id.starts_with(&self.within.prefix) && self.within.has_start(&candidate.id)
            {
                self.pulled.push_back(candidate);
                continue;
            }

            page_work.skipped += 1;
            if page_work.skipped.is_multiple_of(SKIPPED_MAX) {
                return Ok(PulledEnd::Paused);
            }
        }
        Ok(PulledEnd::More)
    }
}

/// What comes next in a lookup.
enum LookupStep {
    Found(FoundResource),
    /// Nothing so far: the page ends, so that others have their turn.
    Paused,
    /// Nothing any more.
    Ended,
}

/// The evaluation of one page.
struct PageWork<'s, R> {
    eval: EvalContext<'s, R>,
    resolved: ResolvedSubject<'s>,
    reads: CountedReader<'s, R>,
    /// What the checks read.
    reader: &'s PrefetchingReader<'s, R>,
    walk: CheckWalk<'s, PrefetchingReader<'s, R>>,
    /// The work of the checks.
    checks: Statistics,
    /// How many candidates were not among those that are wanted.
    skipped: usize,
    /// How many others were taken from their source.
    pulled: usize,
}

impl<'s, R: RelationshipReader> PageWork<'s, R> {
    fn new(
        eval: &EvalContext<'s, R>,
        reader: &'s PrefetchingReader<'s, R>,
        resolved: ResolvedSubject<'s>,
    ) -> Self {
        // The checks of candidates are not traced.
        let checks = EvalContext {
            limits: eval.limits,
            cache: eval.cache,
            interrupted: eval.interrupted,
            stopwatch: eval.stopwatch,
            room: eval.room,
            ..EvalContext::new(eval.schema, reader)
        };
        Self {
            eval: *eval,
            resolved,
            reads: CountedReader::new(eval, resolved.context),
            reader,
            walk: CheckWalk::new(&checks, resolved),
            checks: Statistics::default(),
            skipped: 0,
            pulled: 0,
        }
    }

    /// Announces the candidates of a target that will be checked.
    fn expect(&self, target: NodeId, candidates: &VecDeque<Candidate>) {
        let unchecked = candidates.iter().filter(|candidate| !candidate.certain);
        let schema = self.eval.schema;
        let object_type = &schema.definition(schema.node(target).definition).name;
        self.reader.expect(object_type, unchecked.map(|candidate| candidate.id.clone()).collect());
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

    /// Checks a candidate. All checks of a page together are subject to the limits of one query. `shares` decides whether
    /// the result is stored in the shared cache.
    fn check(
        &mut self,
        target: NodeId,
        id: &str,
        shares: bool,
    ) -> Result<Permissionship, EngineError> {
        let onr = (target, id.into());
        let truth = if shares { self.walk.run(&onr) } else { self.walk.run_once(&onr) }?;
        self.checks.add(&self.walk.statistics());
        let (all, limits) = (self.statistics(), self.eval.limits);
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

/// Resolves names to ids: the resource first, then the subject, which is the order of SpiceDB's errors.
fn resolve<'q, R>(
    eval: &EvalContext<'_, R>,
    query: &LookupResourcesQuery<'q>,
) -> Result<(NodeId, ResolvedSubject<'q>), EngineError> {
    let definition = require_definition(eval.schema, query.resource_type)?;
    let target = require_node(eval.schema, definition, query.permission)?;
    if let Subject::Wildcard(subject_type) = query.subject {
        require_definition(eval.schema, subject_type)?;
        return Err(EngineError::WildcardLookup);
    }
    Ok((target, resolve_subject(eval.schema, query.subject, query.context)?))
}

/// A text that sorts before every id with the prefix, and after every smaller id.
fn lower_bound(prefix: &str) -> String {
    /// Sorts after every character of an id.
    const LAST: char = '\u{7f}';
    let mut before = prefix.to_owned();
    let Some(last) = before.pop() else { return before };
    let previous = u32::from(last).checked_sub(1).and_then(char::from_u32);
    before.extend(previous.into_iter().chain([LAST]));
    before
}
