//! What one subject stands on, read page by page.

use crate::engine::check::reader::CountedReader;
use crate::engine::error::EngineError;
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_resources::reached::{Gate, ReachedObject, ReachedSets, gate};
use crate::engine::resolve::ResolvedSubject;
use crate::relationship::{IdPage, RelationshipReader};
use crate::schema::RelationEdge;

/// How many ids are read at once: at first, and later.
const FIRST_PAGE_COUNT: usize = 32;
pub(super) const PAGE_COUNT_MAX: usize = 512;
/// What an id that was read ahead takes of memory.
pub(super) const ROW_BYTES: usize = size_of::<Candidate>() + 32;

/// A resource that may be a result.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) id: Box<str>,
    /// Whether it is one for certain.
    pub(super) certain: bool,
}

/// What one subject stands on.
#[derive(Debug)]
pub(super) struct RowSource {
    stored: RelationEdge,
    subject: RowSubject,
    certain: bool,
    /// Whether what comes from here lies deeper than is allowed.
    pub(super) is_too_deep: bool,
    /// What was read, last first.
    rows: Vec<Candidate>,
    /// Where to read on; `None` when nothing follows.
    after: Option<Box<str>>,
    page_count: usize,
}

/// Whose relationships are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum RowSubject {
    Asked,
    Wildcard,
    /// A station's object, one of the certain ones or one of the possible ones.
    Member(ReachedObject, bool),
}

impl RowSource {
    /// The candidates on which a subject stands, behind `after`.
    pub(super) fn new(
        stored: RelationEdge,
        subject: RowSubject,
        certain: bool,
        after: &str,
    ) -> Self {
        Self {
            stored,
            subject,
            certain,
            is_too_deep: false,
            rows: Vec::new(),
            after: Some(after.into()),
            page_count: FIRST_PAGE_COUNT,
        }
    }

    /// The next candidate, from what was read if there is any.
    pub(super) fn next<R: RelationshipReader>(
        &mut self,
        turn: (&EvalContext<'_, R>, &ResolvedSubject<'_>),
        reads: &mut CountedReader<'_, R>,
        stations: &mut ReachedSets,
        page_count_max: usize,
    ) -> Result<Option<Candidate>, EngineError> {
        let (scope, asked) = turn;
        if self.rows.is_empty() {
            self.read(asked, reads, stations, page_count_max)?;
        }
        match (scope.limits.depth_max, self.subject) {
            (Some(depth_max), subject) if self.is_too_deep && !self.rows.is_empty() => {
                let place = match subject {
                    RowSubject::Member(place, _) => Some(place),
                    RowSubject::Asked | RowSubject::Wildcard => None,
                };
                Err(stations.too_deep(scope, place, depth_max))
            }
            _ => Ok(self.rows.pop()),
        }
    }

    /// What it takes of memory beside itself, roughly.
    pub(super) fn bytes(&self) -> usize {
        ROW_BYTES * self.rows.len()
    }

    /// Reads until there is something, or nothing more.
    fn read<R: RelationshipReader>(
        &mut self,
        asked: &ResolvedSubject<'_>,
        reads: &mut CountedReader<'_, R>,
        stations: &mut ReachedSets,
        page_count_max: usize,
    ) -> Result<(), EngineError> {
        while self.rows.is_empty()
            && let Some(after) = self.after.take()
        {
            let count_max = self.page_count.min(page_count_max);
            self.page_count = PAGE_COUNT_MAX.min(4 * self.page_count);
            let after = Some(&*after).filter(|id| !id.is_empty());
            let page = IdPage { after, count_max };
            let subject_id = match self.subject {
                RowSubject::Asked => asked.subject.object_id(),
                RowSubject::Wildcard => "*",
                RowSubject::Member(ReachedObject { slot, number }, certain) => {
                    stations.all.get(slot).map_or("", |station| station.ids(certain).get(number))
                }
            };
            let found = reads.resources(self.stored, subject_id, page)?;
            if found.len() >= count_max {
                self.after = found.last().map(|(id, _)| id.as_str().into());
            }
            for (id, terms) in found {
                let gate = gate(reads, &terms, &mut stations.until)?;
                if gate != Gate::Shut {
                    let certain = self.certain && gate == Gate::Open;
                    self.rows.push(Candidate { id: id.into(), certain });
                }
            }
            self.rows.reverse();
        }
        Ok(())
    }
}
