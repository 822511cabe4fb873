//! Gives a relation of one resource exactly certain subjects.

use super::error::DatabaseError;
use super::handle::Database;
use super::required::{RequiredPermission, require_few_permissions, require_permissions};
use super::view::is_permission;
use super::write::{
    apply, require_allowed, require_distinct, require_few_preconditions, require_known_filters,
    require_preconditions, require_small_metadata, schema_of, set_metadata,
};
use crate::relationship::{
    Context, ObjectIdFilter, ObjectRef, Precondition, Relationship, RelationshipFilter,
    RelationshipReader, RelationshipUpdate, Revision, Subject, Terms, Timestamp, UpdateOperation,
};
use crate::store::{ScanBudget, Transaction};
use std::collections::HashMap;
use std::sync::Arc;

/// Which subjects a relation shall have.
#[derive(Clone, Debug, PartialEq)]
pub struct SetRelationRequest {
    /// The resource.
    pub resource: ObjectRef,
    /// The relation.
    pub relation: String,
    /// All subjects that it shall have, each once, with what their relationships carry.
    pub subjects: Vec<(Subject, Terms)>,
    /// What has to be true before.
    pub preconditions: Vec<Precondition>,
    /// Permissions that have to be held before.
    pub permissions: Vec<RequiredPermission>,
    /// What to tell those who follow the database.
    pub metadata: Option<Context>,
}

/// What became of a relation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RelationSet {
    /// What was not there, or had expired.
    pub added: Vec<Relationship>,
    /// What was there and carried something else; as it is now.
    pub changed: Vec<Relationship>,
    /// What is gone; as it was.
    pub removed: Vec<Relationship>,
}

pub(super) fn set_relation(
    database: &Database,
    now: Timestamp,
    request: SetRelationRequest,
) -> Result<(Revision, RelationSet), DatabaseError> {
    let options = database.options;
    require_small_metadata(&options, request.metadata.as_ref())?;
    require_few_preconditions(&options, &request.preconditions)?;
    require_few_permissions(&request.permissions)?;
    let SetRelationRequest { resource, relation, subjects, preconditions, permissions, metadata } =
        request;
    let filter = RelationshipFilter {
        resource_type: Some(resource.object_type().to_owned()),
        resource_id: Some(ObjectIdFilter::Exact(resource.object_id().to_owned())),
        relation: Some(relation.clone()),
        subject: None,
    };
    let updates: Vec<RelationshipUpdate> = subjects
        .into_iter()
        .map(|(subject, Terms { caveat, expires_at })| RelationshipUpdate {
            operation: UpdateOperation::Touch,
            relationship: Relationship {
                resource: resource.clone(),
                relation: relation.clone(),
                subject,
                caveat,
                expires_at,
            },
        })
        .collect();
    require_distinct(&updates)?;
    let schemas = Arc::clone(&database.schemas);
    let done = database.store.write(now, move |transaction| {
        let schema = schema_of(&schemas, transaction)?;
        schema.check_filter(&filter)?;
        if is_permission(&schema, resource.object_type(), &relation) {
            let definition = resource.object_type().to_owned();
            return Err(DatabaseError::SetOfPermission { definition, permission: relation });
        }
        require_known_filters(&schema, &preconditions)?;
        require_allowed(&schema, &updates)?;
        require_preconditions(transaction, &preconditions)?;
        require_permissions(transaction, &schema, options.limits, &permissions)?;
        set_metadata(transaction, metadata.as_ref())?;
        replace(transaction, &filter, &updates, options.updates_max)
    })?;
    Ok(done)
}

/// Makes the updates and removes whatever else the filter selects.
fn replace(
    transaction: &mut Transaction<'_>,
    filter: &RelationshipFilter,
    updates: &[RelationshipUpdate],
    max: usize,
) -> Result<RelationSet, DatabaseError> {
    let count_max = max.saturating_mul(2) + 1;
    let stored = transaction.scan_stored(filter, None, count_max, &ScanBudget::unlimited())?.rows;
    let stored: HashMap<_, _> =
        stored.iter().map(|(relationship, _)| (relationship.subject.key(), relationship)).collect();
    let wanted: HashMap<_, _> = updates
        .iter()
        .map(|RelationshipUpdate { relationship, .. }| (relationship.subject.key(), relationship))
        .collect();
    let unwanted = stored.iter().filter(|(key, _)| !wanted.contains_key(key));
    let mut unwanted: Vec<&Relationship> = unwanted.map(|(_, found)| *found).collect();
    unwanted.sort_by(|left, right| left.subject.key().cmp(&right.subject.key()));
    let count = updates.len() + unwanted.len();
    if count > max {
        return Err(DatabaseError::TooManyUpdates { count, max });
    }
    let mut done = RelationSet::default();
    for update in updates {
        let relationship = &update.relationship;
        let key = (relationship.resource_key(), relationship.subject.key());
        match transaction.find(key.0, key.1)? {
            None => done.added.push(relationship.clone()),
            Some(terms) if terms != relationship.terms() => done.changed.push(relationship.clone()),
            Some(_) => continue,
        }
        apply(transaction, update)?;
    }
    for relationship in unwanted {
        let visible = transaction.find(relationship.resource_key(), relationship.subject.key())?;
        transaction.remove(relationship)?;
        // Nobody saw what had expired.
        done.removed.extend(visible.map(|_| relationship.clone()));
    }
    Ok(done)
}
