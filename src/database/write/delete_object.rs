//! Deletes every relationship that names an object.

use super::candidates::{DeletionCandidates, LISTED_MAX, remove_all, remove_each};
use super::proposal::{Examination, ExaminedWrite, Proposal};
use super::relationships::{
    require_few_preconditions, require_known_filters, require_small_metadata, set_metadata,
};
use super::requirements::{Prerequisites, VerifiedPrerequisites};
use crate::database::error::DatabaseError;
use crate::database::read::view::{View, require_filter};
use crate::database::requirement::{RequiredPermission, require_few_permissions};
use crate::relationship::{
    Context, ObjectIdFilter, ObjectRef, Precondition, Relationship, RelationshipFilter,
    SubjectFilter, SubjectRelationFilter,
};
use crate::schema::Schema;
use crate::store::{ScanBudget, Transaction};
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
pub struct ReferenceCounts {
    /// Those whose resource it is.
    pub as_resource: u64,
    /// Those of other resources whose subject it is, or a userset of it.
    pub as_subject: u64,
}

impl Prerequisites for DeleteObjectRequest {
    fn require_allowed(&self, schema: &Schema) -> Result<(), DatabaseError> {
        require_filter(schema, &filters(&self.object).0)?;
        require_known_filters(schema, &self.preconditions)
    }

    fn preconditions(&self) -> &[Precondition] {
        &self.preconditions
    }

    fn permissions(&self) -> &[RequiredPermission] {
        &self.permissions
    }
}

impl Proposal for DeleteObjectRequest {
    type Output = ReferenceCounts;

    fn examine(
        self: &Arc<Self>,
        examination: &Examination<'_>,
    ) -> Result<ExaminedWrite<ReferenceCounts>, DatabaseError> {
        let options = &examination.database.options;
        require_small_metadata(options, self.metadata.as_ref())?;
        require_few_preconditions(options, &self.preconditions)?;
        require_few_permissions(&self.permissions)?;
        let fulfilled = VerifiedPrerequisites::examine(self, examination)?;
        let (as_resource, as_subject) = filters(&self.object);
        let listed = [
            DeletionCandidates::examine(examination, &as_resource, None, LISTED_MAX)?,
            DeletionCandidates::examine(examination, &as_subject, None, LISTED_MAX)?,
        ];
        let is_complete = listed.iter().all(|listed| listed.is_complete);
        let request = Arc::clone(self);
        if !is_complete {
            let delete = move |transaction: &mut Transaction<'_>, attempt| {
                let until = fulfilled.confirm(transaction, attempt)?;
                set_metadata(transaction, request.metadata.as_ref())?;
                // What names the object on both sides goes with the first.
                let mentions = ReferenceCounts {
                    as_resource: remove_all(transaction, &as_resource)?,
                    as_subject: remove_all(transaction, &as_subject)?,
                };
                until.require_not_passed(transaction)?;
                Ok(mentions)
            };
            return Ok(ExaminedWrite::new(delete).large().deletion());
        }

        let bytes = listed.iter().map(DeletionCandidates::bytes).sum();
        let delete = move |transaction: &mut Transaction<'_>, attempt| {
            fulfilled.confirm(transaction, attempt)?;
            // Looked for before anything is removed: the removals are changes too, and as many as are allowed.
            let changes = fulfilled.changes(transaction)?;
            let [as_resource, as_subject] = &listed;
            let resource_newcomers = as_resource.newcomers(transaction, changes.clone())?;
            let subject_newcomers = as_subject.newcomers(transaction, changes)?;

            set_metadata(transaction, request.metadata.as_ref())?;
            let mut remove = |listed: &DeletionCandidates, newcomers: &[Relationship]| {
                remove_each(transaction, listed.rows.iter().chain(newcomers))
            };
            Ok(ReferenceCounts {
                as_resource: remove(as_resource, &resource_newcomers)?,
                as_subject: remove(as_subject, &subject_newcomers)?,
            })
        };
        Ok(ExaminedWrite::new(delete).holding(bytes))
    }
}

impl View<'_> {
    /// How many relationships a deletion of the object would delete. `interrupted` is asked now and then whether to give
    /// up.
    pub fn count_references(
        &self,
        object: &ObjectRef,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<ReferenceCounts, DatabaseError> {
        let (as_resource, as_subject) = filters(object);
        require_filter(self.schema(), &as_resource)?;
        let budget = ScanBudget::new(interrupted);
        let mut mentions = ReferenceCounts::default();
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
