//! Candidates of a deletion: the matching relationships are listed on a snapshot, so that the writer need not scan.

use super::change_log::{exists, written_relationship};
use super::proposal::{Examination, Rejection};
use crate::database::error::DatabaseError;
use crate::relationship::{ReadError, Relationship, RelationshipFilter};
use crate::store::{ChangeLogEntry, ScanPosition, Transaction};
use std::collections::HashSet;

/// How many relationships are read at a time.
const PAGE: usize = 1000;
/// Maximum candidates, deleted in one batch. With more, the deletion is a chunked write that scans itself.
pub(in crate::database) const CANDIDATES_MAX: usize = 10_000;

/// The relationships that match a filter on a snapshot, expired ones included.
pub(in crate::database) struct DeletionCandidates {
    filter: RelationshipFilter,
    /// In scan order, without caveats: a deletion needs the key alone, and the list may wait in the queue.
    pub(in crate::database) rows: Vec<Relationship>,
    /// The position of the last one.
    pub(in crate::database) last: Option<ScanPosition>,
    /// Whether these are all matches.
    pub(in crate::database) is_complete: bool,
}

impl DeletionCandidates {
    /// The matches after a position, at most `count_max`.
    pub(in crate::database) fn examine(
        examination: &Examination<'_>,
        filter: &RelationshipFilter,
        after: Option<ScanPosition>,
        count_max: usize,
    ) -> Result<Self, DatabaseError> {
        let (snapshot, budget) = (&examination.view.snapshot, examination.scan_budget());
        let (mut rows, mut last, mut after) = (Vec::new(), None, after);
        let mut is_complete = true;
        loop {
            let room = count_max.saturating_add(1).saturating_sub(rows.len()).min(PAGE);
            let page = snapshot.scan_stored(filter, after.as_ref(), room, &budget)?;
            after = page.next;
            for (row, position) in page.rows {
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

        Ok(Self { filter: filter.clone(), rows, last, is_complete })
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
        let mut known: HashSet<String> = self.rows.iter().map(key).collect();
        let mut newcomers = Vec::new();
        for relationship in changes.into_iter().filter_map(written_relationship) {
            if self.filter.matches(&relationship)
                && known.insert(key(&relationship))
                && exists(transaction, &relationship)?
            {
                newcomers.push(relationship);
            }
        }
        Ok(newcomers)
    }
}

fn key(relationship: &Relationship) -> String {
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

/// Finds and deletes all matches of a filter, and returns their number.
pub(in crate::database) fn delete_all(
    transaction: &mut Transaction<'_>,
    filter: &RelationshipFilter,
) -> Result<u64, Rejection> {
    let (mut count, mut after) = (0, None);
    loop {
        let budget = transaction.scan_budget();
        let page = transaction.scan_stored(filter, after.as_ref(), PAGE, &budget)?;
        count += delete_each(transaction, page.rows.iter().map(|(row, _)| row))?;
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}
