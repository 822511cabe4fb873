//! Deletions by filter.

use super::candidates::{DeletionCandidates, LISTED_MAX, remove_all, remove_each};
use super::proposal::{Examination, ExaminedWrite, Proposal, Rejection};
use super::relationships::{
    require_few_preconditions, require_known_filters, require_small_metadata, set_metadata,
};
use super::requirements::{Prerequisites, VerifiedPrerequisites};
use crate::database::error::DatabaseError;
use crate::database::handle::DatabaseOptions;
use crate::database::read::view::{ReadPosition, require_filter};
use crate::relationship::{Context, Precondition, RelationshipFilter, Revision};
use crate::schema::Schema;
use crate::store::Transaction;
use std::sync::Arc;

/// What to delete.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DeleteRequest {
    /// Which relationships.
    pub filter: RelationshipFilter,
    /// What has to be true before.
    pub preconditions: Vec<Precondition>,
    /// The most relationships to delete.
    pub limit: Option<u32>,
    /// Whether to delete as many as the limit allows when more match, and not refuse.
    pub allow_partial: bool,
    /// Where an earlier, partial deletion with this filter ended. What lies before is neither read nor deleted.
    pub after: Option<ReadPosition>,
    /// What to tell those who follow the database.
    pub metadata: Option<Context>,
}

/// What was deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeletionSummary {
    /// The revision without them.
    pub revision: Revision,
    /// How many relationships went, those that had expired among them.
    pub count: u64,
    /// Whether none that match are left.
    pub complete: bool,
    /// Behind the last relationship that was deleted. `None` when none was.
    pub last: Option<ReadPosition>,
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
        self.require_bounds(&examination.database.options)?;
        let fulfilled = VerifiedPrerequisites::examine(self, examination)?;
        let limit = self.limit.map(|limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let after = self.after.clone().map(|ReadPosition(position)| position);
        let count_max = limit.unwrap_or(LISTED_MAX);
        let listed = DeletionCandidates::examine(examination, &self.filter, after, count_max)?;
        let request = Arc::clone(self);
        if limit.is_none() && !listed.is_complete {
            let delete = move |transaction: &mut Transaction<'_>, attempt| {
                let until = fulfilled.confirm(transaction, attempt)?;
                set_metadata(transaction, request.metadata.as_ref())?;
                let count = remove_all(transaction, &request.filter)?;
                until.require_not_passed(transaction)?;
                Ok(DeletionSummary {
                    revision: transaction.revision(),
                    count,
                    complete: true,
                    last: None,
                })
            };
            return Ok(ExaminedWrite::new(delete).large().deletion());
        }

        if let Some(limit) = self.limit
            && !listed.is_complete
            && !self.allow_partial
        {
            let filter = Box::new(self.filter.clone());
            return Err(DatabaseError::TooManyToDelete { limit, filter });
        }
        let bytes = listed.bytes();
        let delete = move |transaction: &mut Transaction<'_>, attempt| {
            fulfilled.confirm(transaction, attempt)?;
            request.delete_listed(transaction, &fulfilled, &listed)
        };
        Ok(ExaminedWrite::new(delete).deletion().holding(bytes))
    }
}

impl DeleteRequest {
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

    /// Removes what was listed. A deletion that is not one of several parts also removes what has come since.
    fn delete_listed(
        &self,
        transaction: &mut Transaction<'_>,
        fulfilled: &VerifiedPrerequisites<Self>,
        listed: &DeletionCandidates,
    ) -> Result<DeletionSummary, Rejection> {
        let mut complete = listed.is_complete;
        let mut newcomers = Vec::new();
        if complete && self.after.is_none() {
            newcomers = listed.newcomers(transaction, fulfilled.changes(transaction)?)?;
        }
        if let Some(limit) = self.limit {
            let limit_rows = usize::try_from(limit).unwrap_or(usize::MAX);
            let room = limit_rows.saturating_sub(listed.rows.len());
            if newcomers.len() > room && !self.allow_partial {
                // Some that were listed may have gone: only a new list shows whether there are too many.
                return Err(Rejection::Outdated);
            }
            complete &= newcomers.len() <= room;
            newcomers.truncate(room);
        }

        set_metadata(transaction, self.metadata.as_ref())?;
        let count = remove_each(transaction, listed.rows.iter().chain(&newcomers))?;
        let last = listed.last.clone().map(ReadPosition);
        Ok(DeletionSummary { revision: transaction.revision(), count, complete, last })
    }
}
