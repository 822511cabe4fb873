//! Writes: updates of relationships, all or none.

use super::proposal::{Examination, ExaminedWrite, Proposal};
use super::requirements::{Prerequisites, VerifiedPrerequisites};
use crate::database::error::DatabaseError;
use crate::database::handle::DatabaseOptions;
use crate::database::read::view::require_filter;
use crate::database::requirement::{RequiredPermission, require_few_permissions};
use crate::relationship::{
    Context, Precondition, Relationship, RelationshipUpdate, ResourceKey, SubjectKey,
    UpdateOperation,
};
use crate::schema::{RelationshipError, Schema};
use crate::store::Transaction;
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
        self.require_bounds(&examination.database.options)?;
        let request = Arc::clone(self);
        let fulfilled = VerifiedPrerequisites::examine(self, examination)?.catch_up(examination)?;
        Ok(ExaminedWrite::new(move |transaction, attempt| {
            fulfilled.confirm(transaction, attempt)?;
            set_metadata(transaction, request.metadata.as_ref())?;
            Ok(request.updates.iter().try_for_each(|update| apply(transaction, update))?)
        }))
    }
}

impl WriteRequest {
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

pub(in crate::database) fn require_few_preconditions(
    options: &DatabaseOptions,
    preconditions: &[Precondition],
) -> Result<(), DatabaseError> {
    let (count, max) = (preconditions.len(), options.preconditions_max);
    if count > max {
        return Err(DatabaseError::TooManyPreconditions { count, max });
    }
    Ok(())
}

pub(in crate::database) fn require_small_metadata(
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

pub(in crate::database) fn require_known_filters(
    schema: &Schema,
    preconditions: &[Precondition],
) -> Result<(), DatabaseError> {
    preconditions.iter().try_for_each(|precondition| require_filter(schema, &precondition.filter))
}

pub(in crate::database) fn set_metadata(
    transaction: &mut Transaction<'_>,
    metadata: Option<&Context>,
) -> Result<(), DatabaseError> {
    match metadata {
        Some(metadata) => Ok(transaction.set_metadata(metadata)?),
        None => Ok(()),
    }
}

pub(in crate::database) fn require_distinct(
    updates: &[RelationshipUpdate],
) -> Result<(), DatabaseError> {
    let mut seen: HashSet<(ResourceKey<'_>, SubjectKey<'_>)> = HashSet::new();
    for RelationshipUpdate { relationship, .. } in updates {
        if !seen.insert((relationship.resource_key(), relationship.subject.key())) {
            return Err(DatabaseError::DuplicateUpdate(Box::new(relationship.clone())));
        }
    }
    Ok(())
}

pub(in crate::database) fn require_allowed(
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
pub(in crate::database) fn require_relationship(
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

pub(in crate::database) fn apply(
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
