//! The candidates in byte order of their ids: what ends in the target, from many sorted sources at once.
//!
//! A source is what one subject stands on, read page by page, or objects that are known already. However many sources
//! there are, what is read ahead of them stays within [`ROWS_MAX`] ids or so.

use crate::engine::check::reader::CountedReader;
use crate::engine::error::EngineError;
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_resources::reached::{
    ReachedObject, ReachedSet, ReachedSets, require_room,
};
use crate::engine::lookup_resources::source::{
    Candidate, PAGE_COUNT_MAX, ROW_BYTES, RowSource, RowSubject,
};
use crate::engine::resolve::ResolvedSubject;
use crate::relationship::RelationshipReader;
use crate::schema::{EntryForm, NodeId, RelationEdge, RouteEnd, RouteStep, Routes};
use std::cmp::{Ordering, Reverse};
use std::collections::{BTreeMap, BinaryHeap};

/// How many ids all sources together read ahead.
const ROWS_MAX: usize = 1 << 17;
/// How many ids a source reads at once when there are very many.
const PAGE_COUNT_MIN: usize = 4;
/// How many new sources pass between two looks at how much memory they take.
const SOURCES_PER_LOOK: usize = 1024;
/// What a source takes of memory with its head.
const SOURCE_BYTES: usize =
    size_of::<ResultSource>() + size_of::<RowSource>() + size_of::<SourceHead>();

/// All sources, merged.
#[derive(Debug)]
pub(super) struct ResultMerge {
    pub(super) stations: ReachedSets,
    sources: Vec<ResultSource>,
    heads: BinaryHeap<Reverse<SourceHead>>,
    /// The first sources that have given no head yet.
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
    /// Objects of a station, the rest of them in order, last first.
    Known {
        slot: usize,
        numbers: Vec<u32>,
        from_certain: bool,
        certain: bool,
    },
    One(Option<Candidate>),
}

/// Steps from stations to the target that need the relationships of the same form.
#[derive(Debug, Default)]
struct RouteGroup(Vec<RouteOrigin>);

#[derive(Clone, Copy, Debug)]
struct RouteOrigin {
    slot: usize,
    certain: bool,
    /// How many relations and permissions there are from the station's object to the target.
    steps: usize,
}

impl ResultMerge {
    /// The candidates whose ids come after `after`.
    pub(super) fn new<R>(
        scope: &EvalContext<'_, R>,
        asked: &ResolvedSubject<'_>,
        target: NodeId,
        stations: ReachedSets,
        after: &str,
    ) -> Result<Self, EngineError> {
        let routes = scope.schema.routes(target);
        let heads = BinaryHeap::new();
        let sources = Vec::new();
        let mut merge = Self { stations, sources, heads, unopened: 0, page_count_max: 0 };
        merge.add_subject(scope, routes, asked, after)?;
        merge.add_stations(scope, routes, target, after)?;
        merge.unopened = merge.sources.len();
        let share = ROWS_MAX.checked_div(merge.sources.len()).unwrap_or(ROWS_MAX);
        merge.page_count_max = share.clamp(PAGE_COUNT_MIN, PAGE_COUNT_MAX);
        Ok(merge)
    }

    /// What the subject itself stands on.
    fn add_subject<R>(
        &mut self,
        scope: &EvalContext<'_, R>,
        routes: &Routes,
        asked: &ResolvedSubject<'_>,
        after: &str,
    ) -> Result<(), EngineError> {
        let too_deep =
            |depth| scope.limits.depth_max.filter(|depth_max| is_deeper(depth, *depth_max));
        let one = |certain, depth| {
            let id = asked.subject.object_id();
            let candidate = (id > after).then(|| Candidate { id: id.into(), certain });
            match (too_deep(depth), &candidate) {
                (Some(depth_max), Some(_)) => Err(EngineError::DepthExceeded { depth_max }),
                _ => Ok(ResultSource::One(candidate)),
            }
        };
        if let Some(node) = asked.node {
            if let Some(RouteEnd { certain, steps }) = routes.end(node) {
                self.sources.push(one(certain, steps)?);
            }
            return Ok(());
        }
        for start in routes.starts(asked.definition) {
            let Some(RouteEnd { certain, steps }) = routes.end(start.to) else { continue };
            let (certain, depth) = (start.certain && certain, 1 + steps);
            let stored = RelationEdge {
                relation: start.to,
                subject_type: asked.definition,
                subject_relation: None,
            };
            let subject = match start.form {
                EntryForm::Itself => {
                    self.sources.push(one(certain, depth)?);
                    continue;
                }
                EntryForm::Object => RowSubject::Asked,
                EntryForm::Wildcard => RowSubject::Wildcard,
            };
            let mut stream = RowSource::new(stored, subject, certain, after);
            stream.is_too_deep = certain && too_deep(depth).is_some();
            self.sources.push(ResultSource::Read(Box::new(stream)));
        }
        Ok(())
    }

    /// What the stations' objects stand on, and those that are in the target themselves.
    fn add_stations<R>(
        &mut self,
        scope: &EvalContext<'_, R>,
        routes: &Routes,
        target: NodeId,
        after: &str,
    ) -> Result<(), EngineError> {
        let mut families: BTreeMap<RelationEdge, RouteGroup> = BTreeMap::new();
        for slot in 0..self.stations.all.len() {
            let Some(node) = self.stations.all.get(slot).map(|station| station.node) else { break };
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
                        families.entry(stored).or_default().0.push(origin);
                    }
                }
            }
        }
        for (stored, mut family) in families {
            family.0.sort_by_key(|origin| Reverse(origin.certain));
            self.add_family(scope, stored, &family, after)?;
        }
        Ok(())
    }

    fn add_known(&mut self, slot: usize, certain: bool, after: &str) {
        let Some(station) = self.stations.all.get(slot) else { return };
        for from_certain in [true, false] {
            let ids = station.ids(from_certain);
            let mut numbers = ids.sorted();
            let past = numbers.partition_point(|number| ids.get(*number) <= after);
            numbers.drain(..past);
            numbers.reverse();
            let certain = certain && from_certain;
            self.sources.push(ResultSource::Known { slot, numbers, from_certain, certain });
        }
    }

    fn add_family<R>(
        &mut self,
        scope: &EvalContext<'_, R>,
        stored: RelationEdge,
        family: &RouteGroup,
        after: &str,
    ) -> Result<(), EngineError> {
        let limits = scope.limits;
        for (position, origin) in family.0.iter().enumerate() {
            let slot = origin.slot;
            let Some(station) = self.stations.all.get(slot) else { continue };
            let earlier = family.0.get(..position).unwrap_or_default();
            for from_certain in [true, false] {
                let certain = origin.certain && from_certain;
                for number in 0..station.ids(from_certain).len() {
                    let number = u32::try_from(number).unwrap_or(u32::MAX);
                    let id = station.ids(from_certain).get(number);
                    let is_read = is_certain_too(station, from_certain, id)
                        || earlier.iter().any(|it| it.covers(&self.stations, id, certain));
                    if is_read {
                        continue;
                    }
                    let subject = RowSubject::Member(ReachedObject { slot, number }, from_certain);
                    let depth = station.depth(number) + origin.steps;
                    let mut stream = RowSource::new(stored, subject, certain, after);
                    stream.is_too_deep = from_certain
                        && limits.depth_max.is_some_and(|depth_max| is_deeper(depth, depth_max));
                    self.sources.push(ResultSource::Read(Box::new(stream)));
                    if self.sources.len().is_multiple_of(SOURCES_PER_LOOK) {
                        self.require_room(scope)?;
                    }
                }
            }
        }
        self.require_room(scope)
    }

    fn require_room<R>(&self, scope: &EvalContext<'_, R>) -> Result<(), EngineError> {
        require_room(scope, self.stations.bytes() + SOURCE_BYTES * self.sources.len())
    }

    /// What it takes of memory, roughly.
    pub(super) fn bytes(&self) -> usize {
        let sources = self.sources.iter().map(|source| match source {
            ResultSource::Read(stream) => SOURCE_BYTES + stream.bytes(),
            ResultSource::Known { numbers, .. } => {
                SOURCE_BYTES + size_of::<u32>() * numbers.capacity()
            }
            ResultSource::One(_) => SOURCE_BYTES,
        });
        self.stations.bytes() + sources.sum::<usize>()
    }

    /// The most that it takes of memory until it ends, roughly.
    pub(super) fn bytes_max(&self) -> usize {
        let sources = self.sources.iter().map(|source| match source {
            ResultSource::Read(_) => SOURCE_BYTES + ROW_BYTES * self.page_count_max,
            ResultSource::Known { numbers, .. } => {
                SOURCE_BYTES + size_of::<u32>() * numbers.capacity()
            }
            ResultSource::One(_) => SOURCE_BYTES,
        });
        self.stations.bytes() + sources.sum::<usize>()
    }

    /// The next candidate.
    pub(super) fn next<R: RelationshipReader>(
        &mut self,
        scope: &EvalContext<'_, R>,
        asked: &ResolvedSubject<'_>,
        reads: &mut CountedReader<'_, R>,
    ) -> Result<Option<Candidate>, EngineError> {
        while let Some(source) = self.unopened.checked_sub(1) {
            self.advance(source, scope, asked, reads)?;
            self.unopened = source;
        }
        let Some(Reverse(SourceHead { mut candidate, source })) = self.heads.pop() else {
            return Ok(None);
        };
        self.advance(source, scope, asked, reads)?;
        while let Some(Reverse(next)) = self.heads.peek()
            && next.candidate.id == candidate.id
        {
            candidate.certain |= next.candidate.certain;
            let source = next.source;
            self.heads.pop();
            self.advance(source, scope, asked, reads)?;
        }
        Ok(Some(candidate))
    }

    /// Puts the next candidate of a source among the heads.
    fn advance<R: RelationshipReader>(
        &mut self,
        source: usize,
        scope: &EvalContext<'_, R>,
        asked: &ResolvedSubject<'_>,
        reads: &mut CountedReader<'_, R>,
    ) -> Result<(), EngineError> {
        let next = match self.sources.get_mut(source) {
            None => None,
            Some(ResultSource::One(one)) => one.take(),
            Some(ResultSource::Known { slot, numbers, from_certain, certain }) => {
                let station = self.stations.all.get(*slot);
                numbers.pop().zip(station).map(|(number, station)| Candidate {
                    id: station.ids(*from_certain).get(number).into(),
                    certain: *certain,
                })
            }
            Some(ResultSource::Read(stream)) => {
                stream.next((scope, asked), reads, &mut self.stations, self.page_count_max)?
            }
        };
        self.heads.extend(next.map(|candidate| Reverse(SourceHead { candidate, source })));
        Ok(())
    }
}

impl RouteOrigin {
    /// Whether streams from here give what one from this object would, and as certainly.
    fn covers(&self, stations: &ReachedSets, id: &str, certain: bool) -> bool {
        let Some(station) = stations.all.get(self.slot) else { return false };
        if station.certain.contains(id) {
            self.certain || !certain
        } else {
            !certain && station.possible.contains(id)
        }
    }
}

fn is_deeper(depth: usize, depth_max: u32) -> bool {
    u64::try_from(depth).is_ok_and(|depth| depth > u64::from(depth_max))
}

/// Whether an object of a station's possible ones is among the certain ones too.
fn is_certain_too(station: &ReachedSet, from_certain: bool, id: &str) -> bool {
    !from_certain && station.certain.contains(id)
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
