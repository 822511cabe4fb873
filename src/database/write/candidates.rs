//! Candidates of a deletion: the matching relationships are listed on a snapshot, so that the writer need not scan.

use super::change_log::{exists, written_relationship};
use super::proposal::{Examination, Rejection};
use crate::database::error::DatabaseError;
use crate::relationship::{ReadError, Relationship, RelationshipFilter, RelationshipScope};
use crate::store::{ChangeLogEntry, ScanPosition, Transaction};
use std::collections::HashSet;
use std::sync::Arc;

/// How many relationships are read at a time.
const PAGE: usize = 1000;
/// Maximum candidates, deleted in one batch. With more, the deletion is prepared in pieces, or is a chunked write that scans
/// itself.
pub(in crate::database) const CANDIDATES_MAX: usize = 10_000;

/// What a deletion selects: the relationships that match a filter, inside of a scope if there is one.
#[derive(Clone)]
pub(in crate::database) struct DeletionSelection {
    pub(in crate::database) filter: RelationshipFilter,
    pub(in crate::database) within: Option<Arc<RelationshipScope>>,
}

/// The relationships that a deletion selects on a snapshot, expired ones included.
pub(in crate::database) struct DeletionCandidates {
    selection: DeletionSelection,
    /// In scan order, without caveats: a deletion needs the key alone, and the list may wait in the queue.
    pub(in crate::database) rows: Vec<Relationship>,
    /// The position of the last one.
    pub(in crate::database) last: Option<ScanPosition>,
    /// Whether these are all matches.
    pub(in crate::database) is_complete: bool,
}

impl DeletionSelection {
    /// Whether a relationship that matches the filter is inside of the scope.
    pub(super) fn covers(&self, relationship: &Relationship) -> bool {
        self.within.as_ref().is_none_or(|scope| scope.covers(relationship))
    }
}

impl DeletionCandidates {
    /// The matches after a position, at most `count_max`.
    pub(in crate::database) fn examine(
        examination: &Examination<'_>,
        selection: &DeletionSelection,
        after: Option<ScanPosition>,
        count_max: usize,
    ) -> Result<Self, DatabaseError> {
        let (snapshot, budget) = (&examination.view.snapshot, examination.scan_budget());
        let (mut rows, mut last, mut after) = (Vec::new(), None, after);
        let mut is_complete = true;
        loop {
            let room = count_max.saturating_add(1).saturating_sub(rows.len()).min(PAGE);
            let page = snapshot.scan_stored(&selection.filter, after.as_ref(), room, &budget)?;
            after = page.next;
            for (row, position) in page.rows {
                if !selection.covers(&row) {
                    continue;
                }
                if rows.len() == count_max {
                    is_complete = false;
                    break;
                }
                rows.push(Relationship { caveat: None, ..row });
                last = Some(position);
            }
            if after.is_none() || !is_complete {
                break;
            }
        }

        Ok(Self { selection: selection.clone(), rows, last, is_complete })
    }

    /// The memory of the list in bytes, about.
    pub(in crate::database) fn bytes(&self) -> usize {
        self.rows.iter().map(row_bytes).sum()
    }

    /// The matching relationships that were written since the snapshot and still exist, each once.
    pub(in crate::database) fn newcomers(
        &self,
        transaction: &Transaction<'_>,
        changes: Vec<ChangeLogEntry>,
    ) -> Result<Vec<Relationship>, ReadError> {
        let mut known: HashSet<String> = self.rows.iter().map(relationship_key).collect();
        let mut newcomers = Vec::new();
        for relationship in changes.into_iter().filter_map(written_relationship) {
            if self.selection.filter.matches(&relationship)
                && self.selection.covers(&relationship)
                && known.insert(relationship_key(&relationship))
                && exists(transaction, &relationship)?
            {
                newcomers.push(relationship);
            }
        }
        Ok(newcomers)
    }
}

/// The key of a relationship as text.
pub(super) fn relationship_key(relationship: &Relationship) -> String {
    let Relationship { resource, relation, subject, .. } = relationship;
    format!("{resource}#{relation}@{subject}")
}

fn row_bytes(row: &Relationship) -> usize {
    let (resource, subject) = (row.resource_key(), row.subject.key());
    let texts = [
        resource.object_type,
        resource.object_id,
        resource.relation,
        subject.object_type,
        subject.object_id,
        subject.relation.unwrap_or_default(),
    ];
    size_of::<Relationship>() + texts.iter().map(|text| text.len()).sum::<usize>()
}

/// Deletes relationships, and returns the number of those that still existed.
pub(in crate::database) fn delete_each<'r>(
    transaction: &mut Transaction<'_>,
    relationships: impl IntoIterator<Item = &'r Relationship>,
) -> Result<u64, Rejection> {
    let mut count = 0;
    for relationship in relationships {
        count += u64::from(transaction.remove(relationship)?);
    }
    Ok(count)
}

/// Finds and deletes all that is selected, and returns the number.
pub(in crate::database) fn delete_all(
    transaction: &mut Transaction<'_>,
    selection: &DeletionSelection,
) -> Result<u64, Rejection> {
    let (mut count, mut after) = (0, None);
    loop {
        let budget = transaction.scan_budget();
        let page = transaction.scan_stored(&selection.filter, after.as_ref(), PAGE, &budget)?;
        let rows = page.rows.iter().map(|(row, _)| row).filter(|row| selection.covers(row));
        count += delete_each(transaction, rows)?;
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}
