//! Readers that count their reads, and readers that fail.

use kilwa::relationship::{
    IdPage, Qualifiers, ReadError, RelationKey, RelationshipReader, ResourceKey, SubjectForm,
    SubjectKey,
};
use std::cell::Cell;

/// Counts the reads and what they return.
pub(crate) struct CountingReader<R> {
    inner: R,
    reads: Cell<usize>,
    returned: Cell<usize>,
}

impl<R> CountingReader<R> {
    pub(crate) fn new(inner: R) -> Self {
        Self { inner, reads: Cell::new(0), returned: Cell::new(0) }
    }

    /// How many reads there were.
    pub(crate) fn reads(&self) -> usize {
        self.reads.get()
    }

    /// How many relationships they returned together.
    pub(crate) fn returned(&self) -> usize {
        self.returned.get()
    }

    fn count(&self, returned: usize) {
        self.reads.set(self.reads.get() + 1);
        self.returned.set(self.returned.get() + returned);
    }
}

impl<R: RelationshipReader> RelationshipReader for CountingReader<R> {
    fn find(
        &self,
        resource: ResourceKey<'_>,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Qualifiers>, ReadError> {
        let found = self.inner.find(resource, subject)?;
        self.count(usize::from(found.is_some()));
        Ok(found)
    }

    fn subjects(
        &self,
        resource: ResourceKey<'_>,
        form: SubjectForm<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        let found = self.inner.subjects(resource, form, page)?;
        self.count(found.len());
        Ok(found)
    }

    fn resources(
        &self,
        relation: RelationKey<'_>,
        subject: SubjectKey<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        let found = self.inner.resources(relation, subject, page)?;
        self.count(found.len());
        Ok(found)
    }
}

/// Fails once, on the read of one number; the reads before and after it succeed.
pub(crate) struct FailingReader<R> {
    inner: R,
    reads_left: Cell<usize>,
}

impl<R> FailingReader<R> {
    /// Succeeds `reads` times, then fails.
    pub(crate) fn after(reads: usize, inner: R) -> Self {
        Self { inner, reads_left: Cell::new(reads + 1) }
    }

    fn count(&self) -> Result<(), ReadError> {
        let left = self.reads_left.get();
        self.reads_left.set(left.saturating_sub(1));
        if left == 1 { Err(ReadError::new("the disk is gone")) } else { Ok(()) }
    }
}

impl<R: RelationshipReader> RelationshipReader for FailingReader<R> {
    fn find(
        &self,
        resource: ResourceKey<'_>,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Qualifiers>, ReadError> {
        self.count()?;
        self.inner.find(resource, subject)
    }

    fn subjects(
        &self,
        resource: ResourceKey<'_>,
        form: SubjectForm<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        self.count()?;
        self.inner.subjects(resource, form, page)
    }

    fn resources(
        &self,
        relation: RelationKey<'_>,
        subject: SubjectKey<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        self.count()?;
        self.inner.resources(relation, subject, page)
    }
}
