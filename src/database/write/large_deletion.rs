//! Deletions of more relationships than one turn of the writer may delete.
//!
//! The relationships that match on a snapshot are prepared in pieces, while other writes continue. What these write
//! meanwhile is read from the change log, and deleted when the deletion is published.

use super::candidates::{CANDIDATES_MAX, DeletionSelection, delete_each, relationship_key};
use super::change_log::{CATCH_UPS_MAX, CHANGES_PAGE, exists, written_relationship};
use super::prerequisites::{Prerequisites, VerifiedPrerequisites};
use super::proposal::{Attempt, Caller, Examination, Rejection};
use crate::database::error::DatabaseError;
use crate::database::guards::set_metadata;
use crate::relationship::{Context, ObjectRef, Relationship, Revision};
use crate::store::{
    ChangeLogEntry, ChangePosition, DeletionCounts, PreparedDeletion, Snapshot, StoreOptions,
    Transaction,
};
use std::collections::BTreeMap;
use std::sync::Arc;

/// How many relationships are prepared in one turn of the writer, at most.
const PIECE_ROWS: usize = 250;
/// How many turns are worth preparing.
const PIECES_MIN: usize = 10;

/// The most relationships that are deleted without being prepared.
pub(super) fn candidates_max(options: &StoreOptions) -> usize {
    CANDIDATES_MAX.min(options.piece_rows_max.saturating_mul(PIECES_MIN))
}

/// What a large deletion deletes.
#[derive(Clone)]
pub(super) struct DeletionTargets {
    /// Whatever one of these selects.
    pub(super) selections: Vec<DeletionSelection>,
    /// The resource whose relationships are counted apart.
    pub(super) counted_resource: Option<ObjectRef>,
}

/// A deletion that is prepared up to a revision.
pub(super) struct LargeDeletion {
    targets: DeletionTargets,
    prepared: PreparedDeletion,
    /// What was written since the snapshot, by key: it is not prepared, or not as it is now.
    newcomers: BTreeMap<String, Relationship>,
}

impl DeletionTargets {
    fn select(&self, relationship: &Relationship) -> bool {
        self.selections.iter().any(|selection| {
            selection.filter.matches(relationship) && selection.covers(relationship)
        })
    }
}

impl LargeDeletion {
    /// Prepares what is to be deleted. `None` when so much of it is written meanwhile that it cannot be published in one turn.
    pub(super) fn prepare<R: Prerequisites>(
        examination: &Examination<'_>,
        prerequisites: &Arc<R>,
        targets: DeletionTargets,
    ) -> Result<Option<(Self, VerifiedPrerequisites<R>)>, DatabaseError> {
        let Caller { clock, interrupted, .. } = examination.caller;
        let store = &examination.database.store;
        let prepared = store.prepare_deletion(clock, interrupted)?;
        if let Some(resource) = &targets.counted_resource {
            store.count_apart(&prepared, resource)?;
        }
        let mut deletion = Self { targets, prepared, newcomers: BTreeMap::new() };

        // Newer than the snapshot of the examination when another exclusive write had its turn before.
        let first = examination.newer_view()?;
        let snapshot = &first.snapshot;
        let piece_rows = PIECE_ROWS.min(store.options().piece_rows_max);
        for selection in &deletion.targets.selections {
            let mut after = None;
            loop {
                let (filter, budget) = (&selection.filter, snapshot.scan_budget());
                let page = snapshot.scan_stored(filter, after.as_ref(), piece_rows, &budget)?;
                let rows = page.rows.into_iter().map(|(row, _)| row);
                let rows: Vec<_> = rows.filter(|row| selection.covers(row)).collect();
                if !rows.is_empty() {
                    store.add_to_deletion(&mut deletion.prepared, rows, interrupted)?;
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }

        let mut known = first.revision();
        for catch_up in 1.. {
            let view = examination.newer_view()?;
            if view.oldest_revision() > known {
                return Ok(None);
            }
            let count = deletion.catch_up(&view.snapshot, known)?;
            if deletion.newcomers.len() > CANDIDATES_MAX {
                return Ok(None);
            }
            known = view.revision();
            if count <= CHANGES_PAGE || catch_up >= CATCH_UPS_MAX {
                let latest = Examination { view, ..*examination };
                let verified = VerifiedPrerequisites::examine(prerequisites, &latest)?;
                return Ok(Some((deletion, verified)));
            }
        }
        Ok(None)
    }

    /// Notes what was written after a revision, and returns the number of changes since.
    fn catch_up(
        &mut self,
        snapshot: &Snapshot<'_>,
        known: Revision,
    ) -> Result<usize, DatabaseError> {
        let (mut count, mut after) = (0, ChangePosition::after(known));
        loop {
            let page = snapshot.changes(after, CHANGES_PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(count) };
            after = *last;
            count += page.len();
            self.note(page.into_iter().map(|(_, change)| change));
            if self.newcomers.len() > CANDIDATES_MAX {
                return Ok(count);
            }
        }
    }

    fn note(&mut self, changes: impl Iterator<Item = ChangeLogEntry>) {
        for written in changes.filter_map(written_relationship) {
            if self.targets.select(&written) {
                let bare = Relationship { caveat: None, ..written };
                self.newcomers.insert(relationship_key(&bare), bare);
            }
        }
    }

    /// The memory that it needs until it is published, about, in bytes.
    pub(super) fn bytes(&self) -> usize {
        self.newcomers.keys().map(|key| 4 * key.len() + size_of::<Relationship>()).sum()
    }

    /// Deletes all that is selected, once the prerequisites are confirmed. Returns the numbers.
    pub(super) fn publish<R: Prerequisites>(
        mut self,
        transaction: &mut Transaction<'_>,
        verified: &VerifiedPrerequisites<R>,
        (attempt, metadata): (Attempt, Option<&Context>),
    ) -> Result<DeletionCounts, Rejection> {
        verified.confirm(transaction, attempt)?;
        self.note(verified.changes(transaction)?.into_iter());
        let mut newcomers = Vec::new();
        for newcomer in self.newcomers.into_values() {
            if exists(transaction, &newcomer)? {
                newcomers.push(newcomer);
            }
        }
        set_metadata(transaction, metadata)?;
        let counted = self.targets.counted_resource.as_ref();
        let (of_resource, others): (Vec<_>, Vec<_>) =
            newcomers.iter().partition(|newcomer| counted == Some(&newcomer.resource));
        let of_resource = delete_each(transaction, of_resource)?;
        let others = delete_each(transaction, others)?;

        let prepared = transaction.publish_deletion(&mut self.prepared)?;
        Ok(DeletionCounts {
            all: prepared.all + of_resource + others,
            of_resource: prepared.of_resource + of_resource,
        })
    }
}
