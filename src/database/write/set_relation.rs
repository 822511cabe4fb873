//! Replaces the subjects of a relation of one resource.

use super::prerequisites::{Prerequisites, VerifiedPrerequisites};
use super::proposal::{Caller, Examination, ExaminedWrite, Proposal};
use crate::database::error::DatabaseError;
use crate::database::guards::{
    apply, is_permission, require_allowed, require_distinct, require_few_permissions,
    require_few_preconditions, require_known_filters, require_small_metadata, set_metadata,
};
use crate::database::handle::Database;
use crate::database::options::DatabaseOptions;
use crate::database::requirement::RequiredPermission;
use crate::relationship::{
    Context, ObjectIdFilter, ObjectRef, Precondition, Qualifiers, Relationship, RelationshipFilter,
    RelationshipReader, RelationshipScope, RelationshipUpdate, Revision, Subject, UpdateOperation,
};
use crate::schema::Schema;
use crate::store::{Transaction, WriteClock};
use std::collections::HashSet;
use std::sync::Arc;

/// A replacement of the subjects of a relation.
#[derive(Clone, Debug, PartialEq)]
pub struct SetRelationRequest {
    /// The resource.
    pub resource: ObjectRef,
    /// The relation.
    pub relation: String,
    /// The new subjects, each once, with the caveat and expiration of their relationships.
    pub subjects: Vec<(Subject, Qualifiers)>,
    /// The part of the data that the write may touch; what is outside stays as if it were not there. `None` for all.
    pub within: Option<Arc<RelationshipScope>>,
    /// Conditions on the state before.
    pub preconditions: Vec<Precondition>,
    /// Permissions that subjects must have before.
    pub permissions: Vec<RequiredPermission>,
    /// Metadata for watchers.
    pub metadata: Option<Context>,
}

/// The difference that a replacement made.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RelationDiff {
    /// Relationships that did not exist or had expired.
    pub added: Vec<Relationship>,
    /// Relationships whose caveat or expiration changed, as they are now.
    pub changed: Vec<Relationship>,
    /// Deleted relationships, as they were.
    pub removed: Vec<Relationship>,
}

impl SetRelationRequest {
    fn require_bounds(&self, options: &DatabaseOptions) -> Result<(), DatabaseError> {
        require_small_metadata(options, self.metadata.as_ref())?;
        require_few_preconditions(options, &self.preconditions)?;
        require_few_permissions(&self.permissions)
    }

    /// The filter of the relation's relationships.
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

/// A request with its filter and updates.
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
        let options = examination.database.state.options;
        self.require_bounds(&options)?;
        let (filter, updates) = (self.filter(), self.updates());
        require_distinct(&updates)?;

        let replacement = Arc::new(Replacement { request: Arc::clone(self), filter, updates });
        let verified =
            VerifiedPrerequisites::examine(&replacement, examination)?.catch_up(examination)?;
        Ok(ExaminedWrite::new(move |transaction, attempt| {
            let Replacement { request, filter, updates } = &*replacement;
            verified.confirm(transaction, attempt)?;
            set_metadata(transaction, request.metadata.as_ref())?;
            Ok(replace(
                transaction,
                (filter, request.within.as_deref()),
                updates,
                options.updates_max,
            )?)
        }))
    }
}

/// The matching relationships inside of the scope: all of them, or enough to know that updates and deletions are too many.
fn stored_within(
    transaction: &Transaction<'_>,
    (filter, within): (&RelationshipFilter, Option<&RelationshipScope>),
    max: usize,
) -> Result<Vec<Relationship>, DatabaseError> {
    let count_max = max.saturating_mul(2) + 1;
    let is_within = |row: &Relationship| within.is_none_or(|scope| scope.covers(row));
    let (mut stored, mut after) = (Vec::new(), None);
    loop {
        // Rows outside do not count: those inside may come after any number of them.
        let budget = transaction.scan_budget();
        let page = transaction.scan_stored(filter, after.as_ref(), count_max, &budget)?;
        stored.extend(page.rows.into_iter().map(|(row, _)| row).filter(is_within));
        after = page.next;
        if after.is_none() || stored.len() >= count_max {
            return Ok(stored);
        }
    }
}

/// Applies the updates and deletes all other relationships that match the filter and are inside of the scope.
fn replace(
    transaction: &mut Transaction<'_>,
    (filter, within): (&RelationshipFilter, Option<&RelationshipScope>),
    updates: &[RelationshipUpdate],
    max: usize,
) -> Result<RelationDiff, DatabaseError> {
    let stored = stored_within(transaction, (filter, within), max)?;

    let wanted: HashSet<_> =
        updates.iter().map(|update| update.relationship.subject.key()).collect();
    let is_unwanted = |relationship: &&Relationship| !wanted.contains(&relationship.subject.key());
    let mut unwanted: Vec<&Relationship> = stored.iter().filter(is_unwanted).collect();
    unwanted.sort_by(|left, right| left.subject.key().cmp(&right.subject.key()));
    let count = updates.len() + unwanted.len();
    if count > max {
        return Err(DatabaseError::TooManyUpdates { count, max });
    }

    let mut diff = RelationDiff::default();
    for update in updates {
        let relationship = &update.relationship;
        let key = (relationship.resource_key(), relationship.subject.key());
        match transaction.find(key.0, key.1)? {
            None => diff.added.push(relationship.clone()),
            Some(terms) if terms != relationship.qualifiers() => {
                diff.changed.push(relationship.clone());
            }
            Some(_) => continue,
        }
        apply(transaction, update)?;
    }
    for relationship in unwanted {
        let visible = transaction.find(relationship.resource_key(), relationship.subject.key())?;
        transaction.remove(relationship)?;
        // An expired relationship was not visible, so its deletion is no difference.
        diff.removed.extend(visible.map(|_| relationship.clone()));
    }
    Ok(diff)
}

impl Database {
    /// Replaces the subjects of a relation of one resource, and returns the difference.
    pub fn set_relation(
        &self,
        clock: impl Into<WriteClock>,
        request: SetRelationRequest,
    ) -> Result<(Revision, RelationDiff), DatabaseError> {
        self.execute(&Caller::patient(clock), request)
    }
}
