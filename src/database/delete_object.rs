//! Deletes every relationship that names an object.

use super::delete::remove_all;
use super::error::DatabaseError;
use super::handle::Database;
use super::required::{RequiredPermission, require_few_permissions, require_permissions};
use super::view::{View, require_filter};
use super::write::{
    require_few_preconditions, require_known_filters, require_preconditions,
    require_small_metadata, schema_of, set_metadata,
};
use crate::relationship::{
    Context, ObjectIdFilter, ObjectRef, Precondition, RelationshipFilter, Revision, SubjectFilter,
    SubjectRelationFilter, Timestamp,
};
use crate::store::ScanBudget;
use std::sync::Arc;

/// How many relationships are read at a time.
const PAGE: usize = 1000;

/// Which object to forget.
#[derive(Clone, Debug, PartialEq)]
pub struct DeleteObjectRequest {
    /// The object.
    pub object: ObjectRef,
    /// What has to be true before.
    pub preconditions: Vec<Precondition>,
    /// Permissions that have to be held before.
    pub permissions: Vec<RequiredPermission>,
    /// What to tell those who follow the database.
    pub metadata: Option<Context>,
}

/// How many stored relationships name an object, those that have expired among them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Those whose resource it is.
    pub as_resource: u64,
    /// Those of other resources whose subject it is, or a userset of it.
    pub as_subject: u64,
}

pub(super) fn delete_object(
    database: &Database,
    now: Timestamp,
    request: DeleteObjectRequest,
) -> Result<(Revision, Mentions), DatabaseError> {
    let options = database.options;
    require_small_metadata(&options, request.metadata.as_ref())?;
    require_few_preconditions(&options, &request.preconditions)?;
    require_few_permissions(&request.permissions)?;
    let schemas = Arc::clone(&database.schemas);
    // Any number of relationships may name it.
    let done = database.store.write_large(now, move |transaction| {
        let schema = schema_of(&schemas, transaction)?;
        let (as_resource, as_subject) = filters(&request.object);
        require_filter(&schema, &as_resource)?;
        require_known_filters(&schema, &request.preconditions)?;
        require_preconditions(transaction, &request.preconditions)?;
        require_permissions(transaction, &schema, options.limits, &request.permissions)?;
        set_metadata(transaction, request.metadata.as_ref())?;
        // What names the object on both sides goes with the first.
        Ok::<_, DatabaseError>(Mentions {
            as_resource: remove_all(transaction, &as_resource)?,
            as_subject: remove_all(transaction, &as_subject)?,
        })
    })?;
    Ok(done)
}

impl View<'_> {
    /// How many relationships a deletion of the object would delete. `interrupted` is asked now and then whether to give
    /// up.
    pub fn mentions(
        &self,
        object: &ObjectRef,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Mentions, DatabaseError> {
        let (as_resource, as_subject) = filters(object);
        require_filter(self.schema(), &as_resource)?;
        let budget = ScanBudget::new(interrupted);
        let mut mentions = Mentions::default();
        for (filter, count) in
            [(&as_resource, &mut mentions.as_resource), (&as_subject, &mut mentions.as_subject)]
        {
            let counts_itself = filter.subject.is_none();
            let mut after = None;
            loop {
                let page = self.snapshot.scan_stored(filter, after.as_ref(), PAGE, &budget)?;
                let rows = page.rows.iter();
                let counted = rows.filter(|(found, _)| counts_itself || found.resource != *object);
                *count += u64::try_from(counted.count()).unwrap_or(u64::MAX);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(mentions)
    }
}

/// What selects the relationships whose resource the object is, and those whose subject it is.
fn filters(object: &ObjectRef) -> (RelationshipFilter, RelationshipFilter) {
    let (object_type, object_id) = (object.object_type().to_owned(), object.object_id().to_owned());
    let as_resource = RelationshipFilter {
        resource_type: Some(object_type.clone()),
        resource_id: Some(ObjectIdFilter::Exact(object_id.clone())),
        ..RelationshipFilter::default()
    };
    let subject = SubjectFilter {
        subject_type: object_type,
        subject_id: Some(object_id),
        relation: SubjectRelationFilter::Any,
    };
    let as_subject = RelationshipFilter { subject: Some(subject), ..RelationshipFilter::default() };
    (as_resource, as_subject)
}
