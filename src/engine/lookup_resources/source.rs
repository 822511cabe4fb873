//! A sorted source of candidates: the resources that have one subject in a relation, read page by page.

use crate::engine::check::reader::{CountedReader, FIRST_PAGE_COUNT, PAGE_COUNT_MAX};
use crate::engine::error::EngineError;
use crate::engine::eval_context::EvalContext;
use crate::engine::lookup_resources::reached::{ReachedObject, ReachedSets, relationship_value};
use crate::engine::resolve::ResolvedSubject;
use crate::relationship::{IdPage, RelationshipReader};
use crate::schema::RelationEdge;

/// Approximate memory of an id that was read ahead, in bytes.
pub(super) const ROW_BYTES: usize = size_of::<Candidate>() + 32;

/// A resource that may be a result.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) id: Box<str>,
    /// Whether it is a result without a check.
    pub(super) certain: bool,
}

/// The resources that have one subject in a relation.
#[derive(Debug)]
pub(super) struct RowSource {
    stored: RelationEdge,
    subject: RowSubject,
    certain: bool,
    /// Whether the candidates of this source exceed the depth limit.
    pub(super) is_too_deep: bool,
    /// The rows that were read, in descending order.
    rows: Vec<Candidate>,
    /// The id to continue after; `None` at the end.
    after: Option<Box<str>>,
    page_count: usize,
}

/// The subject whose relationships are read.
#[derive(Clone, Copy, Debug)]
pub(super) enum RowSubject {
    /// The subject of the query.
    Queried,
    /// The wildcard of the subject's type.
    Wildcard,
    /// An object of a reached set: a certain one, or a possible one.
    Member(ReachedObject, bool),
}

impl RowSource {
    /// The candidates after `after`.
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

    /// The next candidate; reads a page when none is buffered.
    pub(super) fn next<R: RelationshipReader>(
        &mut self,
        page_work: (&EvalContext<'_, R>, &ResolvedSubject<'_>),
        reads: &mut CountedReader<'_, R>,
        reached: &mut ReachedSets,
        page_count_max: usize,
    ) -> Result<Option<Candidate>, EngineError> {
        let (eval, resolved) = page_work;
        if self.rows.is_empty() {
            self.read(resolved, reads, reached, page_count_max)?;
        }
        match (eval.limits.depth_max, self.subject) {
            (Some(depth_max), subject) if self.is_too_deep && !self.rows.is_empty() => {
                let onr = match subject {
                    RowSubject::Member(onr, _) => Some(onr),
                    RowSubject::Queried | RowSubject::Wildcard => None,
                };
                Err(reached.too_deep(eval, onr, depth_max))
            }
            _ => Ok(self.rows.pop()),
        }
    }

    /// The memory of its rows, in bytes, approximately.
    pub(super) fn bytes(&self) -> usize {
        ROW_BYTES * self.rows.len()
    }

    /// Reads pages until one has candidates, or none follow.
    fn read<R: RelationshipReader>(
        &mut self,
        resolved: &ResolvedSubject<'_>,
        reads: &mut CountedReader<'_, R>,
        reached: &mut ReachedSets,
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
                RowSubject::Queried => resolved.subject.object_id(),
                RowSubject::Wildcard => "*",
                RowSubject::Member(ReachedObject { slot, number }, certain) => reached
                    .all
                    .get(slot)
                    .map_or("", |reached_set| reached_set.ids(certain).get(number)),
            };

            let found = reads.resources(self.stored, subject_id, page)?;
            if found.len() >= count_max {
                self.after = found.last().map(|(id, _)| id.as_str().into());
            }
            for (id, terms) in found {
                let value = relationship_value(reads, &terms, &mut reached.until)?;
                if !value.is_no() {
                    let certain = self.certain && value.is_yes();
                    self.rows.push(Candidate { id: id.into(), certain });
                }
            }
            self.rows.reverse();
        }
        Ok(())
    }
}
