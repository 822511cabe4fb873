//! Reading the change log since an examination.

use super::proposal::Rejection;
use crate::relationship::{ReadError, Relationship, RelationshipReader, Revision, UpdateOperation};
use crate::store::{ChangeLogEntry, ChangePosition, Snapshot, Transaction};

/// How many changes are read at a time.
pub(super) const CHANGES_PAGE: usize = 1000;
/// Maximum changes since an examination that the writer reads. With more, the write is examined again.
pub(super) const CHANGES_MAX: usize = 10_000;
/// How often an examination reads what changed meanwhile, before it leaves the rest to the writer.
pub(super) const CATCH_UPS_MAX: usize = 16;

/// A state with the changes that led to it.
pub(super) trait ChangeLogReader: RelationshipReader {
    /// At most `count_max` changes after a position, oldest first.
    fn changes(
        &self,
        after: ChangePosition,
        count_max: usize,
    ) -> Result<Vec<(ChangePosition, ChangeLogEntry)>, ReadError>;
}

impl ChangeLogReader for Snapshot<'_> {
    fn changes(
        &self,
        after: ChangePosition,
        count_max: usize,
    ) -> Result<Vec<(ChangePosition, ChangeLogEntry)>, ReadError> {
        self.changes(after, count_max)
    }
}

impl ChangeLogReader for Transaction<'_> {
    fn changes(
        &self,
        after: ChangePosition,
        count_max: usize,
    ) -> Result<Vec<(ChangePosition, ChangeLogEntry)>, ReadError> {
        self.changes(after, count_max)
    }
}

/// The changes after a revision, oldest first. Too many, or a collected part, make the examination outdated.
pub(super) fn changes_since(
    transaction: &Transaction<'_>,
    revision: Revision,
) -> Result<Vec<ChangeLogEntry>, Rejection> {
    if transaction.oldest_revision() > revision {
        return Err(Rejection::Outdated);
    }

    let mut changes = Vec::new();
    let mut after = ChangePosition::after(revision);
    loop {
        let page = transaction.changes(after, CHANGES_PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(changes) };
        debug_assert!(*last > after, "positions in the change log rise");
        after = *last;
        changes.extend(page.into_iter().map(|(_, change)| change));
        if changes.len() > CHANGES_MAX {
            return Err(Rejection::Outdated);
        }
    }
}

/// The relationship that a change created or touched.
pub(super) fn written_relationship(change: ChangeLogEntry) -> Option<Relationship> {
    match change {
        ChangeLogEntry::Relationship(update) => match update.operation {
            UpdateOperation::Create | UpdateOperation::Touch => Some(update.relationship),
            UpdateOperation::Delete => None,
        },
        ChangeLogEntry::Schema | ChangeLogEntry::Metadata(_) | ChangeLogEntry::Writer(_) => None,
    }
}

/// Whether a relationship with this key exists and has not expired.
pub(super) fn exists(
    state: &impl RelationshipReader,
    relationship: &Relationship,
) -> Result<bool, ReadError> {
    let found = state.find(relationship.resource_key(), relationship.subject.key())?;
    Ok(found.is_some())
}
