//! Writes: updates of relationships, all or none.

use super::error::DatabaseError;
use super::handle::{Database, DatabaseOptions};
use super::required::{RequiredPermission, require_few_permissions, require_permissions};
use super::schemas::Schemas;
use super::view::require_filter;
use crate::relationship::{
    Context, Precondition, PreconditionOperation, Relationship, RelationshipUpdate, ResourceKey,
    Revision, SubjectKey, Timestamp, UpdateOperation,
};
use crate::schema::{RelationshipError, Schema};
use crate::store::{ScanBudget, Transaction};
use std::collections::HashSet;
use std::sync::Arc;

/// What to write.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct WriteRequest {
    /// The updates; no two may have the same key.
    pub updates: Vec<RelationshipUpdate>,
    /// What has to be true before.
    pub preconditions: Vec<Precondition>,
    /// Permissions that have to be held before.
    pub permissions: Vec<RequiredPermission>,
    /// What to tell those who follow the database.
    pub metadata: Option<Context>,
}

pub(super) fn write(
    database: &Database,
    now: Timestamp,
    request: WriteRequest,
) -> Result<Revision, DatabaseError> {
    let options = &database.options;
    let limits = options.limits;
    require_small_metadata(options, request.metadata.as_ref())?;
    let (count, max) = (request.updates.len(), options.updates_max);
    if count > max {
        return Err(DatabaseError::TooManyUpdates { count, max });
    }
    require_few_preconditions(options, &request.preconditions)?;
    require_few_permissions(&request.permissions)?;
    require_distinct(&request.updates)?;
    let schemas = Arc::clone(&database.schemas);
    let (revision, ()) = database.store.write(now, move |transaction| {
        let schema = schema_of(&schemas, transaction)?;
        require_known_filters(&schema, &request.preconditions)?;
        require_allowed(&schema, &request.updates)?;
        require_preconditions(transaction, &request.preconditions)?;
        require_permissions(transaction, &schema, limits, &request.permissions)?;
        set_metadata(transaction, request.metadata.as_ref())?;
        request.updates.iter().try_for_each(|update| apply(transaction, update))
    })?;
    Ok(revision)
}

/// The schema that a transaction sees.
pub(super) fn schema_of(
    schemas: &Schemas,
    transaction: &Transaction<'_>,
) -> Result<Arc<Schema>, DatabaseError> {
    schemas.get(transaction.schema_revision(), || transaction.schema())
}

pub(super) fn require_few_preconditions(
    options: &DatabaseOptions,
    preconditions: &[Precondition],
) -> Result<(), DatabaseError> {
    let (count, max) = (preconditions.len(), options.preconditions_max);
    if count > max {
        return Err(DatabaseError::TooManyPreconditions { count, max });
    }
    Ok(())
}

pub(super) fn require_small_metadata(
    options: &DatabaseOptions,
    metadata: Option<&Context>,
) -> Result<(), DatabaseError> {
    let bytes = metadata.map_or(0, |metadata| metadata.to_string().len());
    let max = options.metadata_bytes_max;
    if bytes > max {
        return Err(DatabaseError::MetadataTooLarge { bytes, max });
    }
    Ok(())
}

pub(super) fn require_known_filters(
    schema: &Schema,
    preconditions: &[Precondition],
) -> Result<(), DatabaseError> {
    preconditions.iter().try_for_each(|precondition| require_filter(schema, &precondition.filter))
}

/// Requires that the preconditions hold; they see the state before the request's own changes.
pub(super) fn require_preconditions(
    transaction: &Transaction<'_>,
    preconditions: &[Precondition],
) -> Result<(), DatabaseError> {
    for precondition in preconditions {
        let budget = ScanBudget::unlimited();
        let found = transaction.scan(&precondition.filter, None, 1, &budget)?;
        let matches = !found.rows.is_empty();
        let wanted = match precondition.operation {
            PreconditionOperation::MustMatch => true,
            PreconditionOperation::MustNotMatch => false,
        };
        if matches != wanted {
            return Err(DatabaseError::PreconditionFailed(Box::new(precondition.clone())));
        }
    }
    Ok(())
}

pub(super) fn set_metadata(
    transaction: &mut Transaction<'_>,
    metadata: Option<&Context>,
) -> Result<(), DatabaseError> {
    match metadata {
        Some(metadata) => Ok(transaction.set_metadata(metadata)?),
        None => Ok(()),
    }
}

pub(super) fn require_distinct(updates: &[RelationshipUpdate]) -> Result<(), DatabaseError> {
    let mut seen: HashSet<(ResourceKey<'_>, SubjectKey<'_>)> = HashSet::new();
    for RelationshipUpdate { relationship, .. } in updates {
        if !seen.insert((relationship.resource_key(), relationship.subject.key())) {
            return Err(DatabaseError::DuplicateUpdate(Box::new(relationship.clone())));
        }
    }
    Ok(())
}

pub(super) fn require_allowed(
    schema: &Schema,
    updates: &[RelationshipUpdate],
) -> Result<(), DatabaseError> {
    for RelationshipUpdate { operation, relationship } in updates {
        match operation {
            UpdateOperation::Create | UpdateOperation::Touch => {
                require_relationship(schema, relationship)?;
            }
            UpdateOperation::Delete => schema
                .check_deletion(relationship)
                .map_err(|error| not_allowed(relationship, error))?,
        }
    }
    Ok(())
}

/// Requires that the schema has a place for a relationship.
pub(super) fn require_relationship(
    schema: &Schema,
    relationship: &Relationship,
) -> Result<(), DatabaseError> {
    schema.check_relationship(relationship).map_err(|error| not_allowed(relationship, error))
}

fn not_allowed(relationship: &Relationship, error: RelationshipError) -> DatabaseError {
    DatabaseError::Relationship {
        relationship: Box::new(relationship.clone()),
        error: Box::new(error),
    }
}

pub(super) fn apply(
    transaction: &mut Transaction<'_>,
    update: &RelationshipUpdate,
) -> Result<(), DatabaseError> {
    let relationship: &Relationship = &update.relationship;
    match update.operation {
        UpdateOperation::Create => {
            if !transaction.create(relationship)? {
                return Err(DatabaseError::AlreadyExists(Box::new(relationship.clone())));
            }
        }
        UpdateOperation::Touch => {
            transaction.put(relationship)?;
        }
        UpdateOperation::Delete => {
            transaction.remove(relationship)?;
        }
    }
    Ok(())
}
