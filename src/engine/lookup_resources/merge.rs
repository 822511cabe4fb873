//! Merges the candidates of a lookup, in byte order of their ids, from many sorted sources.
//!
//! A source is the resources of one subject, read page by page, or objects that have already been reached. Regardless of
//! the number of sources, the rows read ahead stay within about [`ROW_BYTES_MAX`] bytes. The first pages of many sources are
//! read together.

use crate::engine::check::reader::{CountedReader, PAGE_COUNT_MAX};
use crate::engine::error::{EngineError, WorkKind};
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_resources::heads::{HeadIds, SourceHeads};
use crate::engine::lookup_resources::reached::{
    ReachedObject, ReachedSet, ReachedSets, require_room,
};
use crate::engine::lookup_resources::row_buffer::BUFFERED_ROW_BYTES;
use crate::engine::lookup_resources::source::{Candidate, RowSource, RowSubject};
use crate::engine::resolve::ResolvedSubject;
use crate::relationship::{IdPage, Qualifiers, RelationKey, RelationshipReader, SubjectForm};
use crate::schema::{EntryForm, NodeId, RelationEdge, RouteEnd, RouteStep, Routes};
use std::cmp::Reverse;
use std::collections::BTreeMap;

/// Maximum memory of the rows that all sources together read ahead, in bytes.
const ROW_BYTES_MAX: usize = 8 << 20;
/// Approximate memory of a row before any has been read, in bytes.
const ROW_BYTES: usize = 24 + BUFFERED_ROW_BYTES;
/// Page size of a source when there are very many sources.
const PAGE_COUNT_MIN: usize = 4;
/// Number of sources whose first pages are read together.
const OPENED_AT_ONCE: usize = 64;
/// Number of new sources between two checks of the memory limit.
const SOURCES_PER_MEMORY_CHECK: usize = 1024;
/// Memory of a source with its head, in bytes.
const SOURCE_BYTES: usize =
    size_of::<ResultSource>() + size_of::<RowSource>() + SourceHeads::bytes_each();

/// The merge of all sources.
#[derive(Debug)]
pub(super) struct ResultMerge {
    pub(super) reached: ReachedSets,
    sources: Vec<ResultSource>,
    /// Those that are not at their end; `None` until all have been opened.
    heads: Option<SourceHeads>,
    /// The number of sources, from the first on, that have been opened.
    opened: usize,
    rows_read: RowsRead,
}

/// The rows that were read so far, from which the size of pages follows.
#[derive(Clone, Copy, Debug)]
struct RowsRead {
    count: usize,
    bytes: usize,
    /// The most bytes that the rows of one source should take.
    share: usize,
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
        let rows_read = RowsRead { count: 1, bytes: ROW_BYTES, share: ROW_BYTES_MAX };
        let sources = Vec::new();
        let mut merge = Self { reached, sources, heads: None, opened: 0, rows_read };
        merge.add_subject(eval, routes, resolved, after)?;
        merge.add_reached(eval, routes, target, after)?;
        merge.rows_read.share = ROW_BYTES_MAX / merge.sources.len().max(1);
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
                // In byte order, in which they are read fastest.
                for number in reached_set.ids(is_from_certain).sorted() {
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
            ResultSource::Read(stream) => SOURCE_BYTES + stream.rows.bytes(),
            ResultSource::Known { numbers, .. } => {
                SOURCE_BYTES + size_of::<u32>() * numbers.capacity()
            }
            ResultSource::One(_) => SOURCE_BYTES,
        });
        self.reached.bytes() + sources.sum::<usize>()
    }

    /// The maximum memory until the lookup ends, in bytes, approximately.
    pub(super) fn bytes_max(&self) -> usize {
        let rows_max = self.rows_read.share.min(ROW_BYTES * PAGE_COUNT_MAX);
        let sources = self.sources.iter().map(|source| match source {
            ResultSource::Read(_) => SOURCE_BYTES + rows_max,
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
        if self.heads.is_none() {
            while self.opened < self.sources.len() {
                self.open_next((eval, resolved), reads)?;
            }
            let ids = SourceIds { sources: &self.sources, reached: &self.reached };
            self.heads = Some(SourceHeads::new(&ids, self.sources.len()));
        }
        let Some(mut candidate) = self.take_first((eval, resolved), reads)? else {
            return Ok(None);
        };

        while let Some(source) = self.first()
            && self.head_id(source) == Some(&candidate.id)
            && let Some(same) = self.take_first((eval, resolved), reads)?
        {
            candidate.certain |= same.certain;
        }
        Ok(Some(candidate))
    }

    fn first(&self) -> Option<usize> {
        self.heads.as_ref()?.first()
    }

    fn head_id(&self, source: usize) -> Option<&str> {
        self.sources.get(source)?.head(&self.reached)
    }

    /// Takes the smallest id among the heads, and moves the next one of its source to the heads.
    fn take_first<R: RelationshipReader>(
        &mut self,
        page_work: (&EvalContext<'_, R>, &ResolvedSubject<'_>),
        reads: &mut CountedReader<'_, R>,
    ) -> Result<Option<Candidate>, EngineError> {
        let Some(source) = self.first() else { return Ok(None) };
        let id = self.head_id(source).unwrap_or_default().to_owned();
        let certain = match self.sources.get_mut(source) {
            None => return Ok(None),
            Some(ResultSource::One(one)) => one.take().is_some_and(|one| one.certain),
            Some(ResultSource::Known { numbers, certain, .. }) => {
                numbers.pop().is_some() && *certain
            }
            Some(ResultSource::Read(stream)) => {
                let certain = stream.rows.pop().unwrap_or_default();
                if stream.rows.is_empty() {
                    self.read(source, page_work, reads)?;
                }
                certain
            }
        };

        let ids = SourceIds { sources: &self.sources, reached: &self.reached };
        if let Some(heads) = &mut self.heads {
            heads.first_changed(&ids);
        }
        Ok(Some(Candidate { id, certain }))
    }

    /// Opens the next source, or the next ones whose first pages can be read together.
    fn open_next<R: RelationshipReader>(
        &mut self,
        page_work: (&EvalContext<'_, R>, &ResolvedSubject<'_>),
        reads: &mut CountedReader<'_, R>,
    ) -> Result<(), EngineError> {
        let unopened = self.sources.get(self.opened..).unwrap_or_default();
        let stored = unopened.first().and_then(ResultSource::stored);
        let together = unopened.iter().take(OPENED_AT_ONCE);
        let together = together.take_while(|source| stored.is_some() && source.stored() == stored);
        let count = together.count();
        if let Some(stored) = stored.filter(|_| count > 1) {
            self.read_first_pages(stored, count, page_work, reads)?;
        }

        let opened = self.opened;
        self.opened += count.max(1);
        // What has nothing yet, because it is alone or its first page had no candidate, reads on by itself.
        (opened..self.opened).try_for_each(|source| self.read(source, page_work, reads))
    }

    /// Reads the first pages of the next `count` sources, which are over the same relationships.
    fn read_first_pages<R: RelationshipReader>(
        &mut self,
        stored: RelationEdge,
        count: usize,
        (eval, resolved): (&EvalContext<'_, R>, &ResolvedSubject<'_>),
        reads: &mut CountedReader<'_, R>,
    ) -> Result<(), EngineError> {
        count_reads(eval, reads, count)?;
        let page_count_max = self.rows_read.page_count_max();
        let sources = self.sources.iter_mut().skip(self.opened).take(count);
        let mut sources: Vec<_> = sources.filter_map(ResultSource::stream).collect();
        let reached = &self.reached;
        let ids: Vec<_> =
            sources.iter().map(|stream| stream.subject.id(resolved, reached)).collect();
        let Some(page) = sources.first().and_then(|stream| stream.next_page(page_count_max)) else {
            return Ok(());
        };
        let count_max = page.count_max;
        let pages = resources_of_each(eval, stored, &ids, page)?;

        for (stream, found) in sources.iter_mut().zip(&pages) {
            self.rows_read.add(found);
            stream.take_page(found, count_max, reads, &mut self.reached)?;
        }
        Ok(())
    }

    /// Reads rows of a source that has none left.
    fn read<R: RelationshipReader>(
        &mut self,
        source: usize,
        (eval, resolved): (&EvalContext<'_, R>, &ResolvedSubject<'_>),
        reads: &mut CountedReader<'_, R>,
    ) -> Result<(), EngineError> {
        let stream = self.sources.get_mut(source).and_then(ResultSource::stream);
        let Some(stream) = stream else { return Ok(()) };
        stream.read(resolved, reads, &mut self.reached, self.rows_read.page_count_max())?;
        match (eval.limits.depth_max, stream.subject) {
            (Some(depth_max), subject) if stream.is_too_deep && !stream.rows.is_empty() => {
                let onr = match subject {
                    RowSubject::Member(onr, _) => Some(onr),
                    RowSubject::Queried | RowSubject::Wildcard => None,
                };
                Err(self.reached.too_deep(eval, onr, depth_max))
            }
            _ => Ok(()),
        }
    }
}

impl RowsRead {
    /// How many rows a page of a source should have at most.
    fn page_count_max(self) -> usize {
        let row_bytes = (self.bytes / self.count.max(1)).max(1);
        (self.share / row_bytes).clamp(PAGE_COUNT_MIN, PAGE_COUNT_MAX)
    }

    fn add(&mut self, found: &[(String, Qualifiers)]) {
        self.count += found.len();
        self.bytes += found.iter().map(|(id, _)| id.len() + BUFFERED_ROW_BYTES).sum::<usize>();
    }
}

impl ResultSource {
    fn stream(&mut self) -> Option<&mut RowSource> {
        match self {
            Self::Read(stream) => Some(stream),
            Self::Known { .. } | Self::One(_) => None,
        }
    }

    /// The next id.
    fn head<'m>(&'m self, reached: &'m ReachedSets) -> Option<&'m str> {
        match self {
            Self::Read(stream) => stream.rows.first(),
            Self::Known { slot, numbers, is_from_certain, .. } => {
                let ids = reached.all.get(*slot)?.ids(*is_from_certain);
                numbers.last().map(|number| ids.get(*number))
            }
            Self::One(one) => one.as_ref().map(|candidate| candidate.id.as_str()),
        }
    }

    /// The relationships that it reads, if any.
    fn stored(&self) -> Option<RelationEdge> {
        match self {
            Self::Read(stream) => Some(stream.stored),
            Self::Known { .. } | Self::One(_) => None,
        }
    }
}

/// The next ids of all sources.
struct SourceIds<'m> {
    sources: &'m [ResultSource],
    reached: &'m ReachedSets,
}

impl HeadIds for SourceIds<'_> {
    fn head(&self, source: usize) -> Option<&str> {
        self.sources.get(source)?.head(self.reached)
    }
}

/// The first pages of the resources of several subjects.
fn resources_of_each<R: RelationshipReader>(
    eval: &EvalContext<'_, R>,
    stored: RelationEdge,
    subject_ids: &[&str],
    page: IdPage<'_>,
) -> Result<Vec<Vec<(String, Qualifiers)>>, EngineError> {
    let schema = eval.schema;
    let relation = schema.node(stored.relation);
    let relation = RelationKey {
        object_type: &schema.definition(relation.definition).name,
        relation: &relation.name,
    };
    let form = SubjectForm {
        object_type: &schema.definition(stored.subject_type).name,
        relation: stored.subject_relation.map(|relation| schema.node(relation).name.as_str()),
    };
    Ok(eval.reader.resources_of_each(relation, form, subject_ids, page)?)
}

/// Counts reads that are made together.
fn count_reads<R: RelationshipReader>(
    eval: &EvalContext<'_, R>,
    reads: &mut CountedReader<'_, R>,
    count: usize,
) -> Result<(), EngineError> {
    eval.check_interruption()?;
    let (before, caveat_steps) = reads.counts();
    let after = before.saturating_add(u64::try_from(count).unwrap_or(u64::MAX));
    let limit = eval.limits.reads_max;
    if after > limit {
        return Err(EngineError::WorkExceeded { work: WorkKind::Reads, limit });
    }
    reads.count_on(after, caveat_steps);
    Ok(())
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
