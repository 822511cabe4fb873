//! A sorted source of candidates: the resources that have one subject in a relation, read page by page.

use crate::engine::check::reader::{CountedReader, FIRST_PAGE_COUNT, PAGE_COUNT_MAX};
use crate::engine::error::EngineError;
use crate::engine::lookup_resources::reached::{ReachedObject, ReachedSets, relationship_value};
use crate::engine::lookup_resources::row_buffer::RowBuffer;
use crate::engine::resolve::ResolvedSubject;
use crate::relationship::{IdPage, Qualifiers, RelationshipReader};
use crate::schema::RelationEdge;

/// A resource that may be a result.
#[derive(Debug)]
pub(super) struct Candidate {
    pub(super) id: String,
    /// Whether it is a result without a check.
    pub(super) certain: bool,
}

/// The resources that have one subject in a relation.
#[derive(Debug)]
pub(super) struct RowSource {
    pub(super) stored: RelationEdge,
    pub(super) subject: RowSubject,
    certain: bool,
    /// Whether the candidates of this source exceed the depth limit.
    pub(super) is_too_deep: bool,
    /// The rows that were read.
    pub(super) rows: RowBuffer,
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

impl RowSubject {
    /// Its id.
    pub(super) fn id<'i>(
        self,
        resolved: &ResolvedSubject<'i>,
        reached: &'i ReachedSets,
    ) -> &'i str {
        match self {
            Self::Queried => resolved.subject.object_id(),
            Self::Wildcard => "*",
            Self::Member(ReachedObject { slot, number }, certain) => {
                let ids = reached.all.get(slot).map(|reached_set| reached_set.ids(certain));
                ids.map_or("", |ids| ids.get(number))
            }
        }
    }
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
            rows: RowBuffer::default(),
            after: Some(after.into()),
            page_count: FIRST_PAGE_COUNT,
        }
    }

    /// The size of the next page, when none may have more than `page_count_max` rows; `None` at the end.
    pub(super) fn next_page(&self, page_count_max: usize) -> Option<IdPage<'_>> {
        let after = self.after.as_deref()?;
        let count_max = self.page_count.min(page_count_max);
        Some(IdPage { after: Some(after).filter(|id| !id.is_empty()), count_max })
    }

    /// Takes a page that was read: its rows are the next ones.
    pub(super) fn take_page<R: RelationshipReader>(
        &mut self,
        found: &[(String, Qualifiers)],
        count_max: usize,
        reads: &mut CountedReader<'_, R>,
        reached: &mut ReachedSets,
    ) -> Result<(), EngineError> {
        let last = found.last().filter(|_| found.len() >= count_max);
        self.after = last.map(|(id, _)| id.as_str().into());
        self.page_count = PAGE_COUNT_MAX.min(4 * self.page_count);
        self.rows = RowBuffer::with_capacity(found.len());
        for (id, terms) in found {
            let value = relationship_value(reads, terms, &mut reached.until)?;
            if !value.is_no() {
                self.rows.push(id, self.certain && value.is_yes());
            }
        }
        Ok(())
    }

    /// Reads pages until one has candidates, or none follow.
    pub(super) fn read<R: RelationshipReader>(
        &mut self,
        resolved: &ResolvedSubject<'_>,
        reads: &mut CountedReader<'_, R>,
        reached: &mut ReachedSets,
        page_count_max: usize,
    ) -> Result<(), EngineError> {
        while self.rows.is_empty()
            && let Some(page) = self.next_page(page_count_max)
        {
            let subject_id = self.subject.id(resolved, reached);
            let found = reads.resources(self.stored, subject_id, page)?;
            let count_max = page.count_max;
            self.take_page(&found, count_max, reads, reached)?;
        }
        Ok(())
    }
}
