//! The relationships that a deletion is about: listed on a snapshot, so that the writer need not look for them.

use super::proposal::{Examination, Rejection};
use super::requirements::{added_relationship, exists};
use crate::database::error::DatabaseError;
use crate::relationship::{ReadError, Relationship, RelationshipFilter};
use crate::store::{ChangeLogEntry, ScanBudget, ScanPosition, Transaction};
use std::collections::HashSet;

/// How many relationships are read at a time.
const PAGE: usize = 1000;
/// The most relationships that are listed, and removed in one batch. More are looked for and removed chunk by chunk.
pub(in crate::database) const LISTED_MAX: usize = 10_000;

/// What a filter selects on a snapshot, the expired relationships too.
pub(in crate::database) struct DeletionCandidates {
    filter: RelationshipFilter,
    /// In the order of the scan, without caveats: a removal needs the key alone, and the list may wait for long.
    pub(in crate::database) rows: Vec<Relationship>,
    /// The position of the last one.
    pub(in crate::database) last: Option<ScanPosition>,
    /// Whether there is nothing more.
    pub(in crate::database) is_complete: bool,
}

impl DeletionCandidates {
    /// The matches behind `after`, at most `count_max`.
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

    /// About how many bytes of memory the list takes.
    pub(in crate::database) fn bytes(&self) -> usize {
        self.rows.iter().map(bytes_of).sum()
    }

    /// The relationships that came since the snapshot, match and are still there, each once.
    pub(in crate::database) fn newcomers(
        &self,
        transaction: &Transaction<'_>,
        changes: Vec<ChangeLogEntry>,
    ) -> Result<Vec<Relationship>, ReadError> {
        let listed = self.rows.iter().map(key);
        let mut known: HashSet<String> = listed.collect();
        let mut newcomers = Vec::new();
        for relationship in changes.into_iter().filter_map(added_relationship) {
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

fn bytes_of(row: &Relationship) -> usize {
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

/// Removes relationships, and gives the number of those that were still there.
pub(in crate::database) fn remove_each<'r>(
    transaction: &mut Transaction<'_>,
    relationships: impl IntoIterator<Item = &'r Relationship>,
) -> Result<u64, Rejection> {
    let mut count = 0;
    for relationship in relationships {
        count += u64::from(transaction.remove(relationship)?);
    }
    Ok(count)
}

/// Looks for what a filter selects and removes it, however much it is. Gives the number.
pub(in crate::database) fn remove_all(
    transaction: &mut Transaction<'_>,
    filter: &RelationshipFilter,
) -> Result<u64, Rejection> {
    let interrupted = transaction.interrupted();
    let interrupted = || interrupted();
    let budget = ScanBudget::new(&interrupted);
    let (mut count, mut after) = (0, None);
    loop {
        let page = transaction.scan_stored(filter, after.as_ref(), PAGE, &budget)?;
        count += remove_each(transaction, page.rows.iter().map(|(row, _)| row))?;
        after = page.next;
        if after.is_none() {
            return Ok(count);
        }
    }
}
