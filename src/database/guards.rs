//! Guards of requests, and how an update is applied.
//!
//! The order in which a write is guarded decides which error a request with several faults gets, and follows SpiceDB:
//!
//! 1. bounds that need no schema: size of the metadata, number of updates, preconditions and required permissions, and two
//!    updates of the same relationship ([`require_small_metadata`] to [`require_distinct`]);
//! 2. the schema's rules, for the filters of the preconditions first, then for the updates ([`require_known_filters`],
//!    [`require_allowed`]);
//! 3. preconditions, then required permissions ([`require_permissions`]);
//! 4. a `CREATE` of a relationship that exists, when the update is applied ([`apply`]).

use super::error::DatabaseError;
use super::options::DatabaseOptions;
use super::requirement::{RequiredPermission, UnmetPermission};
use crate::engine::{self, CheckQuery, EvalContext};
use crate::relationship::{
    Context, Permissionship, Precondition, Relationship, RelationshipFilter, RelationshipReader,
    RelationshipUpdate, ResourceKey, SubjectKey, UpdateOperation,
};
use crate::schema::{RelationshipError, Rule, Schema};
use crate::store::Transaction;
use std::collections::{BTreeSet, HashSet};

/// Maximum number of permissions that one write may require.
const PERMISSIONS_MAX: usize = 100;

/// Requires metadata within the size limit.
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

/// Requires a number of preconditions within the limit.
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

/// Requires a number of required permissions within the limit.
pub(super) fn require_few_permissions(
    required: &[RequiredPermission],
) -> Result<(), DatabaseError> {
    let (count, max) = (required.len(), PERMISSIONS_MAX);
    if count > max {
        return Err(DatabaseError::TooManyPermissions { count, max });
    }
    Ok(())
}

/// Requires updates of distinct relationships.
pub(super) fn require_distinct(updates: &[RelationshipUpdate]) -> Result<(), DatabaseError> {
    let mut seen: HashSet<(ResourceKey<'_>, SubjectKey<'_>)> = HashSet::new();
    for RelationshipUpdate { relationship, .. } in updates {
        if !seen.insert((relationship.resource_key(), relationship.subject.key())) {
            return Err(DatabaseError::DuplicateUpdate(Box::new(relationship.clone())));
        }
    }
    Ok(())
}

/// Requires that a filter has a condition, names only what the schema defines, and can match: relationships exist on
/// relations, not on permissions.
pub(super) fn require_filter(
    schema: &Schema,
    filter: &RelationshipFilter,
) -> Result<(), DatabaseError> {
    if filter.is_empty() {
        return Err(DatabaseError::EmptyFilter);
    }
    schema.check_filter(filter)?;

    // The relation of the subject may be a permission: `group#can_join` is a valid subject.
    let (Some(definition), Some(relation)) = (&filter.resource_type, &filter.relation) else {
        return Ok(());
    };
    if is_permission(schema, definition, relation) {
        return Err(DatabaseError::FilterOnPermission {
            definition: definition.clone(),
            permission: relation.clone(),
        });
    }
    Ok(())
}

/// Whether the schema has a permission of this name in this definition.
pub(super) fn is_permission(schema: &Schema, definition: &str, name: &str) -> bool {
    let definition = schema.find_definition(definition);
    let node = definition.and_then(|found| schema.find_node(found.id, name));
    node.is_some_and(|node| matches!(node.rule, Rule::Permission(_)))
}

/// Requires valid filters in all preconditions.
pub(super) fn require_known_filters(
    schema: &Schema,
    preconditions: &[Precondition],
) -> Result<(), DatabaseError> {
    preconditions.iter().try_for_each(|precondition| require_filter(schema, &precondition.filter))
}

/// Requires that the schema allows all updates.
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

/// Requires that the schema allows a relationship.
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

/// Requires that the subjects have the required permissions. A conditional result is not enough.
pub(super) fn require_permissions<R: RelationshipReader>(
    context: &EvalContext<'_, R>,
    required: &[RequiredPermission],
) -> Result<(), DatabaseError> {
    let queries: Vec<CheckQuery<'_>> = required.iter().map(query).collect();

    for (required, checked) in required.iter().zip(engine::check_each(context, &queries)) {
        let missing_context = match checked?.permissionship {
            Permissionship::HasPermission => continue,
            Permissionship::NoPermission => BTreeSet::new(),
            Permissionship::Conditional(names) => names,
        };
        let unmet = UnmetPermission { required: required.clone(), missing_context };
        return Err(DatabaseError::PermissionRequired(Box::new(unmet)));
    }
    Ok(())
}

fn query(required: &RequiredPermission) -> CheckQuery<'_> {
    let RequiredPermission { resource, permission, subject, context } = required;
    CheckQuery { resource, permission, subject, context }
}

/// Sets the metadata of a transaction, if there is any. Call it before the updates: the change log lists metadata first.
pub(super) fn set_metadata(
    transaction: &mut Transaction<'_>,
    metadata: Option<&Context>,
) -> Result<(), DatabaseError> {
    match metadata {
        Some(metadata) => Ok(transaction.set_metadata(metadata)?),
        None => Ok(()),
    }
}

/// Applies an update to a transaction.
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
