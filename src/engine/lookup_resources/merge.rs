//! Merges the candidates of a lookup, in byte order of their ids, from many sorted sources.
//!
//! A source is the resources of one subject, read page by page, or objects that have already been reached. Regardless of
//! the number of sources, the rows read ahead stay within about [`ROWS_MAX`] ids.

use crate::engine::check::reader::{CountedReader, PAGE_COUNT_MAX};
use crate::engine::error::EngineError;
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_resources::reached::{
    ReachedObject, ReachedSet, ReachedSets, require_room,
};
use crate::engine::lookup_resources::source::{Candidate, ROW_BYTES, RowSource, RowSubject};
use crate::engine::resolve::ResolvedSubject;
use crate::relationship::RelationshipReader;
use crate::schema::{EntryForm, NodeId, RelationEdge, RouteEnd, RouteStep, Routes};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};

/// Maximum number of ids that all sources together read ahead.
const ROWS_MAX: usize = 1 << 17;
/// Page size of a source when there are very many sources.
const PAGE_COUNT_MIN: usize = 4;
/// Number of new sources between two checks of the memory limit.
const SOURCES_PER_MEMORY_CHECK: usize = 1024;
/// Memory of a source with its head, in bytes.
const SOURCE_BYTES: usize =
    size_of::<ResultSource>() + size_of::<RowSource>() + size_of::<SourceHead>();

/// The merge of all sources.
#[derive(Debug)]
pub(super) struct ResultMerge {
    pub(super) reached: ReachedSets,
    sources: Vec<ResultSource>,
    heads: BinaryHeap<Reverse<SourceHead>>,
    /// The number of sources, from the first on, that have not been read yet.
    unopened: usize,
    page_count_max: usize,
}

/// The next candidate of a source.
#[derive(Debug)]
struct SourceHead {
    candidate: Candidate,
    source: usize,
}

#[derive(Debug)]
enum ResultSource {
    Read(Box<RowSource>),
    /// The remaining objects of a reached set, in descending order.
    Known {
        slot: usize,
        numbers: Vec<u32>,
        is_from_certain: bool,
        certain: bool,
    },
    One(Option<Candidate>),
}

/// The origins of steps to the target that read relationships of the same form.
#[derive(Debug, Default)]
struct RouteGroup(Vec<RouteOrigin>);

#[derive(Clone, Copy, Debug)]
struct RouteOrigin {
    slot: usize,
    certain: bool,
    /// The number of relations and permissions from the origin's object to the target.
    steps: usize,
}

impl ResultMerge {
    /// The candidates whose ids come after `after`.
    pub(super) fn new<R>(
        eval: &EvalContext<'_, R>,
        resolved: &ResolvedSubject<'_>,
        target: NodeId,
        reached: ReachedSets,
        after: &str,
    ) -> Result<Self, EngineError> {
        let routes = eval.schema.routes(target);
        let heads = BinaryHeap::new();
        let sources = Vec::new();
        let mut merge = Self { reached, sources, heads, unopened: 0, page_count_max: 0 };
        merge.add_subject(eval, routes, resolved, after)?;
        merge.add_reached(eval, routes, target, after)?;
        merge.unopened = merge.sources.len();
        let share = ROWS_MAX.checked_div(merge.sources.len()).unwrap_or(ROWS_MAX);
        merge.page_count_max = share.clamp(PAGE_COUNT_MIN, PAGE_COUNT_MAX);
        Ok(merge)
    }

    /// Adds the sources for the subject itself.
    fn add_subject<R>(
        &mut self,
        eval: &EvalContext<'_, R>,
        routes: &Routes,
        resolved: &ResolvedSubject<'_>,
        after: &str,
    ) -> Result<(), EngineError> {
        let too_deep =
            |depth| eval.limits.depth_max.filter(|depth_max| is_deeper(depth, *depth_max));
        let one = |certain, depth| {
            let id = resolved.subject.object_id();
            let candidate = (id > after).then(|| Candidate { id: id.into(), certain });
            match (too_deep(depth), &candidate) {
                (Some(depth_max), Some(_)) => Err(EngineError::DepthExceeded { depth_max }),
                _ => Ok(ResultSource::One(candidate)),
            }
        };

        if let Some(node) = resolved.node {
            if let Some(RouteEnd { certain, steps }) = routes.end(node) {
                self.sources.push(one(certain, steps)?);
            }
            return Ok(());
        }
        for start in routes.starts(resolved.definition) {
            let Some(RouteEnd { certain, steps }) = routes.end(start.to) else { continue };
            let (certain, depth) = (start.certain && certain, 1 + steps);
            let stored = RelationEdge {
                relation: start.to,
                subject_type: resolved.definition,
                subject_relation: None,
            };
            let subject = match start.form {
                EntryForm::Itself => {
                    self.sources.push(one(certain, depth)?);
                    continue;
                }
                EntryForm::Object => RowSubject::Queried,
                EntryForm::Wildcard => RowSubject::Wildcard,
            };
            let mut stream = RowSource::new(stored, subject, certain, after);
            stream.is_too_deep = certain && too_deep(depth).is_some();
            self.sources.push(ResultSource::Read(Box::new(stream)));
        }
        Ok(())
    }

    /// Adds the sources for the reached objects, and the reached objects that are candidates themselves.
    fn add_reached<R>(
        &mut self,
        eval: &EvalContext<'_, R>,
        routes: &Routes,
        target: NodeId,
        after: &str,
    ) -> Result<(), EngineError> {
        let mut groups: BTreeMap<RelationEdge, RouteGroup> = BTreeMap::new();
        for slot in 0..self.reached.all.len() {
            let Some(node) = self.reached.all.get(slot).map(|reached_set| reached_set.node) else {
                break;
            };
            if node == target {
                self.add_known(slot, true, after);
            }
            for route in routes.onward(node) {
                let Some(RouteEnd { certain, steps }) = routes.end(route.to) else { continue };
                let certain = certain && route.certain;
                match route.way {
                    RouteStep::SameObject => self.add_known(slot, certain, after),
                    RouteStep::Related(stored) => {
                        let origin = RouteOrigin { slot, certain, steps: steps + 1 };
                        groups.entry(stored).or_default().0.push(origin);
                    }
                }
            }
        }

        for (stored, mut group) in groups {
            group.0.sort_by_key(|origin| Reverse(origin.certain));
            self.add_group(eval, stored, &group, after)?;
        }
        Ok(())
    }

    fn add_known(&mut self, slot: usize, certain: bool, after: &str) {
        let Some(reached_set) = self.reached.all.get(slot) else { return };
        for is_from_certain in [true, false] {
            let ids = reached_set.ids(is_from_certain);
            let mut numbers = ids.sorted();
            let past = numbers.partition_point(|number| ids.get(*number) <= after);
            numbers.drain(..past);
            numbers.reverse();
            let certain = certain && is_from_certain;
            self.sources.push(ResultSource::Known { slot, numbers, is_from_certain, certain });
        }
    }

    fn add_group<R>(
        &mut self,
        eval: &EvalContext<'_, R>,
        stored: RelationEdge,
        group: &RouteGroup,
        after: &str,
    ) -> Result<(), EngineError> {
        let limits = eval.limits;

        for (position, origin) in group.0.iter().enumerate() {
            let slot = origin.slot;
            let Some(reached_set) = self.reached.all.get(slot) else { continue };
            let earlier = group.0.get(..position).unwrap_or_default();
            for is_from_certain in [true, false] {
                let certain = origin.certain && is_from_certain;
                for number in 0..reached_set.ids(is_from_certain).len() {
                    let number = u32::try_from(number).unwrap_or(u32::MAX);
                    let id = reached_set.ids(is_from_certain).get(number);
                    let is_read = is_certain_too(reached_set, is_from_certain, id)
                        || earlier.iter().any(|it| it.covers(&self.reached, id, certain));
                    if is_read {
                        continue;
                    }
                    let subject =
                        RowSubject::Member(ReachedObject { slot, number }, is_from_certain);
                    let depth = reached_set.depth(number) + origin.steps;
                    let mut stream = RowSource::new(stored, subject, certain, after);
                    stream.is_too_deep = is_from_certain
                        && limits.depth_max.is_some_and(|depth_max| is_deeper(depth, depth_max));
                    self.sources.push(ResultSource::Read(Box::new(stream)));
                    if self.sources.len().is_multiple_of(SOURCES_PER_MEMORY_CHECK) {
                        self.require_room(eval)?;
                    }
                }
            }
        }
        self.require_room(eval)
    }

    fn require_room<R>(&self, eval: &EvalContext<'_, R>) -> Result<(), EngineError> {
        require_room(eval, self.reached.bytes() + SOURCE_BYTES * self.sources.len())
    }

    /// The memory in use, in bytes, approximately.
    pub(super) fn bytes(&self) -> usize {
        let sources = self.sources.iter().map(|source| match source {
            ResultSource::Read(stream) => SOURCE_BYTES + stream.bytes(),
            ResultSource::Known { numbers, .. } => {
                SOURCE_BYTES + size_of::<u32>() * numbers.capacity()
            }
            ResultSource::One(_) => SOURCE_BYTES,
        });
        self.reached.bytes() + sources.sum::<usize>()
    }

    /// The maximum memory until the lookup ends, in bytes, approximately.
    pub(super) fn bytes_max(&self) -> usize {
        let sources = self.sources.iter().map(|source| match source {
            ResultSource::Read(_) => SOURCE_BYTES + ROW_BYTES * self.page_count_max,
            ResultSource::Known { numbers, .. } => {
                SOURCE_BYTES + size_of::<u32>() * numbers.capacity()
            }
            ResultSource::One(_) => SOURCE_BYTES,
        });
        self.reached.bytes() + sources.sum::<usize>()
    }

    /// The next candidate: the smallest id among the heads, certain if one of its sources says so.
    pub(super) fn next<R: RelationshipReader>(
        &mut self,
        eval: &EvalContext<'_, R>,
        resolved: &ResolvedSubject<'_>,
        reads: &mut CountedReader<'_, R>,
    ) -> Result<Option<Candidate>, EngineError> {
        while let Some(source) = self.unopened.checked_sub(1) {
            self.advance(source, eval, resolved, reads)?;
            self.unopened = source;
        }
        let Some(Reverse(SourceHead { mut candidate, source })) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(source, eval, resolved, reads)?;
        while let Some(Reverse(next)) = self.heads.peek()
            && next.candidate.id == candidate.id
        {
            candidate.certain |= next.candidate.certain;
            let source = next.source;
            self.heads.pop();
            self.advance(source, eval, resolved, reads)?;
        }
        Ok(Some(candidate))
    }

    /// Moves the next candidate of a source to the heads.
    fn advance<R: RelationshipReader>(
        &mut self,
        source: usize,
        eval: &EvalContext<'_, R>,
        resolved: &ResolvedSubject<'_>,
        reads: &mut CountedReader<'_, R>,
    ) -> Result<(), EngineError> {
        let next = match self.sources.get_mut(source) {
            None => None,
            Some(ResultSource::One(one)) => one.take(),
            Some(ResultSource::Known { slot, numbers, is_from_certain, certain }) => {
                let reached_set = self.reached.all.get(*slot);
                numbers.pop().zip(reached_set).map(|(number, reached_set)| Candidate {
                    id: reached_set.ids(*is_from_certain).get(number).into(),
                    certain: *certain,
                })
            }
            Some(ResultSource::Read(stream)) => {
                stream.next((eval, resolved), reads, &mut self.reached, self.page_count_max)?
            }
        };
        self.heads.extend(next.map(|candidate| Reverse(SourceHead { candidate, source })));
        Ok(())
    }
}

impl RouteOrigin {
    /// Whether sources from this origin already cover those from an object, at least as certainly.
    fn covers(&self, reached: &ReachedSets, id: &str, certain: bool) -> bool {
        let Some(reached_set) = reached.all.get(self.slot) else { return false };
        if reached_set.certain.contains(id) {
            self.certain || !certain
        } else {
            !certain && reached_set.possible.contains(id)
        }
    }
}

fn is_deeper(depth: usize, depth_max: u32) -> bool {
    u64::try_from(depth).is_ok_and(|depth| depth > u64::from(depth_max))
}

/// Whether a possible object of a reached set is a certain one as well.
fn is_certain_too(reached_set: &ReachedSet, is_from_certain: bool, id: &str) -> bool {
    !is_from_certain && reached_set.certain.contains(id)
}

impl Ord for SourceHead {
    fn cmp(&self, other: &Self) -> Ordering {
        (&self.candidate.id, self.source).cmp(&(&other.candidate.id, other.source))
    }
}

impl PartialOrd for SourceHead {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for SourceHead {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for SourceHead {}
