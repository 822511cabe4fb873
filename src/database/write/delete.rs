//! Deletions by filter.

use super::candidates::{DeletionCandidates, DeletionSelection, delete_all, delete_each};
use super::large_deletion::{DeletionTargets, LargeDeletion, candidates_max};
use super::prerequisites::{Prerequisites, VerifiedPrerequisites};
use super::proposal::{Caller, Examination, ExaminedWrite, Proposal, Rejection};
use crate::database::error::DatabaseError;
use crate::database::guards::{
    require_few_preconditions, require_filter, require_known_filters, require_small_metadata,
    set_metadata,
};
use crate::database::handle::Database;
use crate::database::options::DatabaseOptions;
use crate::database::read::relationships::ReadPosition;
use crate::relationship::{Context, Precondition, RelationshipFilter, RelationshipScope, Revision};
use crate::schema::Schema;
use crate::store::{Transaction, WriteClock};
use std::sync::Arc;

/// A deletion by filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteRequest {
    /// The relationships to delete.
    pub filter: RelationshipFilter,
    /// The part of the data that the write may touch; what is outside stays as if it were not there. `None` for all.
    pub within: Option<Arc<RelationshipScope>>,
    /// Conditions on the state before.
    pub preconditions: Vec<Precondition>,
    /// Maximum relationships to delete.
    pub limit: Option<u32>,
    /// Whether to delete up to the limit when more relationships match, instead of failing.
    pub allow_partial: bool,
    /// The end of an earlier, partial deletion with this filter. Relationships before it are not deleted.
    pub after: Option<ReadPosition>,
    /// Metadata for watchers.
    pub metadata: Option<Context>,
}

/// The result of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionSummary {
    /// The revision that the deletion created.
    pub revision: Revision,
    /// The number of deleted relationships, expired ones included.
    pub count: u64,
    /// Whether no matching relationships are left.
    pub complete: bool,
    /// The position after the last deleted relationship; `None` when none was.
    pub last: Option<ReadPosition>,
}

impl DeletionSummary {
    /// Everything that matched is deleted.
    fn of_all(revision: Revision, count: u64) -> Self {
        Self { revision, count, complete: true, last: None }
    }
}

impl Prerequisites for DeleteRequest {
    fn require_allowed(&self, schema: &Schema) -> Result<(), DatabaseError> {
        require_filter(schema, &self.filter)?;
        require_known_filters(schema, &self.preconditions)
    }

    fn preconditions(&self) -> &[Precondition] {
        &self.preconditions
    }
}

impl Proposal for DeleteRequest {
    type Output = DeletionSummary;

    fn examine(
        self: &Arc<Self>,
        examination: &Examination<'_>,
    ) -> Result<ExaminedWrite<DeletionSummary>, DatabaseError> {
        self.require_bounds(&examination.database.state.options)?;
        let verified = VerifiedPrerequisites::examine(self, examination)?;
        let limit = self.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let after = self.after.clone().map(|ReadPosition(position)| position);
        let store_options = examination.database.store.options();
        let count_max = limit.unwrap_or(candidates_max(store_options));
        let selection = self.selection();
        let candidates = DeletionCandidates::examine(examination, &selection, after, count_max)?;

        let request = Arc::clone(self);
        if limit.is_none() && !candidates.is_complete {
            if !examination.is_exclusive {
                return Ok(ExaminedWrite::must_be_exclusive());
            }
            let targets = DeletionTargets { selections: vec![selection], counted_resource: None };
            if let Some((deletion, verified)) = LargeDeletion::prepare(examination, self, targets)?
            {
                let bytes = deletion.bytes();
                let publish = move |transaction: &mut Transaction<'_>, attempt| {
                    let metadata = request.metadata.as_ref();
                    let counts = deletion.publish(transaction, &verified, (attempt, metadata))?;
                    Ok(DeletionSummary::of_all(transaction.revision(), counts.all))
                };
                return Ok(ExaminedWrite::new(publish).deletion().holding(bytes));
            }
            // So much is written meanwhile that only the writer itself can find what there is to delete.
            let delete = move |transaction: &mut Transaction<'_>, attempt| {
                let until = verified.confirm(transaction, attempt)?;
                set_metadata(transaction, request.metadata.as_ref())?;
                let count = delete_all(transaction, &request.selection())?;
                until.require_not_passed(transaction)?;
                Ok(DeletionSummary::of_all(transaction.revision(), count))
            };
            return Ok(ExaminedWrite::new(delete).large().deletion());
        }

        if let Some(limit) = self.limit
            && !candidates.is_complete
            && !self.allow_partial
        {
            let filter = Box::new(self.filter.clone());
            return Err(DatabaseError::TooManyToDelete { limit, filter });
        }

        let bytes = candidates.bytes();
        let delete = move |transaction: &mut Transaction<'_>, attempt| {
            verified.confirm(transaction, attempt)?;
            request.delete_candidates(transaction, &verified, &candidates)
        };
        Ok(ExaminedWrite::new(delete).deletion().holding(bytes))
    }
}

impl DeleteRequest {
    fn selection(&self) -> DeletionSelection {
        DeletionSelection { filter: self.filter.clone(), within: self.within.clone() }
    }

    fn require_bounds(&self, options: &DatabaseOptions) -> Result<(), DatabaseError> {
        require_small_metadata(options, self.metadata.as_ref())?;
        require_few_preconditions(options, &self.preconditions)?;
        match self.limit.filter(|limit| *limit > options.delete_limit_max) {
            Some(limit) => {
                Err(DatabaseError::LimitTooLarge { limit, max: options.delete_limit_max })
            }
            None => Ok(()),
        }
    }

    /// Deletes the candidates. A deletion that is not part of a larger one also deletes what was written since.
    fn delete_candidates(
        &self,
        transaction: &mut Transaction<'_>,
        verified: &VerifiedPrerequisites<Self>,
        candidates: &DeletionCandidates,
    ) -> Result<DeletionSummary, Rejection> {
        let mut complete = candidates.is_complete;
        let mut newcomers = Vec::new();
        if complete && self.after.is_none() {
            newcomers = candidates.newcomers(transaction, verified.changes(transaction)?)?;
        }
        if let Some(limit) = self.limit {
            let limit_rows = usize::try_from(limit).unwrap_or(usize::MAX);
            let room = limit_rows.saturating_sub(candidates.rows.len());
            if newcomers.len() > room && !self.allow_partial {
                // Some candidates may be gone: only a new list shows whether there are too many.
                return Err(Rejection::Outdated);
            }
            complete &= newcomers.len() <= room;
            newcomers.truncate(room);
        }

        set_metadata(transaction, self.metadata.as_ref())?;
        let count = delete_each(transaction, candidates.rows.iter().chain(&newcomers))?;
        let last = candidates.last.clone().map(ReadPosition);
        Ok(DeletionSummary { revision: transaction.revision(), count, complete, last })
    }
}

impl Database {
    /// Deletes the relationships that match a filter, expired ones included.
    pub fn delete(
        &self,
        clock: impl Into<WriteClock>,
        request: DeleteRequest,
    ) -> Result<DeletionSummary, DatabaseError> {
        self.execute(&Caller::patient(clock), request).map(|(_, summary)| summary)
    }
}
