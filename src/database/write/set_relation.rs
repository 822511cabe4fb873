//! Gives a relation of one resource exactly certain subjects.

use super::proposal::{Examination, ExaminedWrite, Proposal};
use super::relationships::{
    apply, require_allowed, require_distinct, require_few_preconditions, require_known_filters,
    require_small_metadata, set_metadata,
};
use super::requirements::{Prerequisites, VerifiedPrerequisites};
use crate::database::error::DatabaseError;
use crate::database::handle::DatabaseOptions;
use crate::database::read::view::is_permission;
use crate::database::requirement::{RequiredPermission, require_few_permissions};
use crate::relationship::{
    Context, ObjectIdFilter, ObjectRef, Precondition, Qualifiers, Relationship, RelationshipFilter,
    RelationshipReader, RelationshipUpdate, Subject, UpdateOperation,
};
use crate::schema::Schema;
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
    pub subjects: Vec<(Subject, Qualifiers)>,
    /// What has to be true before.
    pub preconditions: Vec<Precondition>,
    /// Permissions that have to be held before.
    pub permissions: Vec<RequiredPermission>,
    /// What to tell those who follow the database.
    pub metadata: Option<Context>,
}

/// What became of a relation.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RelationDiff {
    /// What was not there, or had expired.
    pub added: Vec<Relationship>,
    /// What was there and carried something else; as it is now.
    pub changed: Vec<Relationship>,
    /// What is gone; as it was.
    pub removed: Vec<Relationship>,
}

impl SetRelationRequest {
    fn require_bounds(&self, options: &DatabaseOptions) -> Result<(), DatabaseError> {
        require_small_metadata(options, self.metadata.as_ref())?;
        require_few_preconditions(options, &self.preconditions)?;
        require_few_permissions(&self.permissions)
    }

    /// What selects the relation's relationships.
    fn filter(&self) -> RelationshipFilter {
        RelationshipFilter {
            resource_type: Some(self.resource.object_type().to_owned()),
            resource_id: Some(ObjectIdFilter::Exact(self.resource.object_id().to_owned())),
            relation: Some(self.relation.clone()),
            subject: None,
        }
    }

    fn updates(&self) -> Vec<RelationshipUpdate> {
        let update = |(subject, terms): &(Subject, Qualifiers)| RelationshipUpdate {
            operation: UpdateOperation::Touch,
            relationship: Relationship {
                resource: self.resource.clone(),
                relation: self.relation.clone(),
                subject: subject.clone(),
                caveat: terms.caveat.clone(),
                expires_at: terms.expires_at,
            },
        };
        self.subjects.iter().map(update).collect()
    }
}

/// A request with what it comes to.
struct Replacement {
    request: Arc<SetRelationRequest>,
    filter: RelationshipFilter,
    updates: Vec<RelationshipUpdate>,
}

impl Prerequisites for Replacement {
    fn require_allowed(&self, schema: &Schema) -> Result<(), DatabaseError> {
        let SetRelationRequest { resource, relation, preconditions, .. } = &*self.request;
        schema.check_filter(&self.filter)?;
        if is_permission(schema, resource.object_type(), relation) {
            let (definition, permission) = (resource.object_type().to_owned(), relation.clone());
            return Err(DatabaseError::SetOfPermission { definition, permission });
        }
        require_known_filters(schema, preconditions)?;
        require_allowed(schema, &self.updates)
    }

    fn preconditions(&self) -> &[Precondition] {
        &self.request.preconditions
    }

    fn permissions(&self) -> &[RequiredPermission] {
        &self.request.permissions
    }
}

impl Proposal for SetRelationRequest {
    type Output = RelationDiff;

    fn examine(
        self: &Arc<Self>,
        examination: &Examination<'_>,
    ) -> Result<ExaminedWrite<RelationDiff>, DatabaseError> {
        let options = examination.database.options;
        self.require_bounds(&options)?;
        let (filter, updates) = (self.filter(), self.updates());
        require_distinct(&updates)?;
        let replacement = Arc::new(Replacement { request: Arc::clone(self), filter, updates });
        let fulfilled =
            VerifiedPrerequisites::examine(&replacement, examination)?.catch_up(examination)?;
        Ok(ExaminedWrite::new(move |transaction, attempt| {
            let Replacement { request, filter, updates } = &*replacement;
            fulfilled.confirm(transaction, attempt)?;
            set_metadata(transaction, request.metadata.as_ref())?;
            Ok(replace(transaction, filter, updates, options.updates_max)?)
        }))
    }
}

/// Makes the updates and removes whatever else the filter selects.
fn replace(
    transaction: &mut Transaction<'_>,
    filter: &RelationshipFilter,
    updates: &[RelationshipUpdate],
    max: usize,
) -> Result<RelationDiff, DatabaseError> {
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
    let mut done = RelationDiff::default();
    for update in updates {
        let relationship = &update.relationship;
        let key = (relationship.resource_key(), relationship.subject.key());
        match transaction.find(key.0, key.1)? {
            None => done.added.push(relationship.clone()),
            Some(terms) if terms != relationship.qualifiers() => {
                done.changed.push(relationship.clone());
            }
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
