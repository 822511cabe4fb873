//! Writes of relationships, all updates or none.

use super::prerequisites::{Prerequisites, VerifiedPrerequisites};
use super::proposal::{Caller, Examination, ExaminedWrite, Proposal};
use crate::database::error::DatabaseError;
use crate::database::guards::{
    apply, require_allowed, require_distinct, require_few_permissions, require_few_preconditions,
    require_known_filters, require_small_metadata, set_metadata,
};
use crate::database::handle::Database;
use crate::database::options::DatabaseOptions;
use crate::database::requirement::RequiredPermission;
use crate::relationship::{Context, Precondition, RelationshipUpdate, Revision};
use crate::schema::Schema;
use crate::store::{Transaction, WriteClock};
use std::sync::Arc;

/// Updates of relationships.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteRequest {
    /// The updates; no two may have the same key.
    pub updates: Vec<RelationshipUpdate>,
    /// Conditions on the state before.
    pub preconditions: Vec<Precondition>,
    /// Permissions that subjects must have before.
    pub permissions: Vec<RequiredPermission>,
    /// Metadata for watchers.
    pub metadata: Option<Context>,
}

impl Prerequisites for WriteRequest {
    fn require_allowed(&self, schema: &Schema) -> Result<(), DatabaseError> {
        require_known_filters(schema, &self.preconditions)?;
        require_allowed(schema, &self.updates)
    }

    fn preconditions(&self) -> &[Precondition] {
        &self.preconditions
    }

    fn permissions(&self) -> &[RequiredPermission] {
        &self.permissions
    }
}

impl Proposal for WriteRequest {
    type Output = ();

    fn examine(
        self: &Arc<Self>,
        examination: &Examination<'_>,
    ) -> Result<ExaminedWrite<()>, DatabaseError> {
        self.require_bounds(&examination.database.state.options)?;
        let request = Arc::clone(self);
        let verified = VerifiedPrerequisites::examine(self, examination)?.catch_up(examination)?;
        let is_deletion = self.updates.iter().all(RelationshipUpdate::is_deletion);
        let write = ExaminedWrite::new(move |transaction: &mut Transaction<'_>, attempt| {
            verified.confirm(transaction, attempt)?;
            set_metadata(transaction, request.metadata.as_ref())?;
            Ok(request.updates.iter().try_for_each(|update| apply(transaction, update))?)
        });
        Ok(if is_deletion { write.deletion() } else { write })
    }
}

impl WriteRequest {
    // The order decides which error a request with several faults gets: see `guards`.
    fn require_bounds(&self, options: &DatabaseOptions) -> Result<(), DatabaseError> {
        require_small_metadata(options, self.metadata.as_ref())?;
        let (count, max) = (self.updates.len(), options.updates_max);
        if count > max {
            return Err(DatabaseError::TooManyUpdates { count, max });
        }
        require_few_preconditions(options, &self.preconditions)?;
        require_few_permissions(&self.permissions)?;
        require_distinct(&self.updates)
    }
}

impl Database {
    /// Applies every update of a request or none.
    pub fn write(
        &self,
        clock: impl Into<WriteClock>,
        request: WriteRequest,
    ) -> Result<Revision, DatabaseError> {
        self.execute(&Caller::patient(clock), request).map(|(revision, ())| revision)
    }
}
