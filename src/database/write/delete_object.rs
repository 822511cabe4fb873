//! Deletes every relationship that references an object, as resource or as subject.

use super::candidates::{DeletionCandidates, DeletionSelection, delete_all, delete_each};
use super::large_deletion::{DeletionTargets, LargeDeletion, candidates_max};
use super::prerequisites::{Prerequisites, VerifiedPrerequisites};
use super::proposal::{Caller, Examination, ExaminedWrite, Proposal};
use crate::database::error::DatabaseError;
use crate::database::guards::{
    require_few_permissions, require_few_preconditions, require_filter, require_known_filters,
    require_small_metadata, set_metadata,
};
use crate::database::handle::Database;
use crate::database::read::view::View;
use crate::database::requirement::RequiredPermission;
use crate::relationship::{
    Context, ObjectIdFilter, ObjectRef, Precondition, Relationship, RelationshipFilter,
    RelationshipScope, Revision, SubjectFilter, SubjectRelationFilter,
};
use crate::schema::Schema;
use crate::store::{Transaction, WriteClock};
use std::sync::Arc;

/// How many relationships are read at a time.
const PAGE: usize = 1000;

/// A deletion of all relationships of an object.
#[derive(Clone, Debug, PartialEq)]
pub struct DeleteObjectRequest {
    /// The object.
    pub object: ObjectRef,
    /// The part of the data that the write may touch; what is outside stays as if it were not there. `None` for all.
    pub within: Option<Arc<RelationshipScope>>,
    /// Conditions on the state before.
    pub preconditions: Vec<Precondition>,
    /// Permissions that subjects must have before.
    pub permissions: Vec<RequiredPermission>,
    /// Metadata for watchers.
    pub metadata: Option<Context>,
}

/// The numbers of stored relationships that reference an object, expired ones included.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReferenceCounts {
    /// Those with the object as resource.
    pub as_resource: u64,
    /// Those of other resources, with the object or a userset of it as subject.
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
        let options = &examination.database.state.options;
        require_small_metadata(options, self.metadata.as_ref())?;
        require_few_preconditions(options, &self.preconditions)?;
        require_few_permissions(&self.permissions)?;
        let verified = VerifiedPrerequisites::examine(self, examination)?;
        let (as_resource, as_subject) = filters(&self.object);
        let select = |filter| DeletionSelection { filter, within: self.within.clone() };
        let (as_resource, as_subject) = (select(as_resource), select(as_subject));
        let count_max = candidates_max(examination.database.store.options());
        let candidates = [
            DeletionCandidates::examine(examination, &as_resource, None, count_max)?,
            DeletionCandidates::examine(examination, &as_subject, None, count_max)?,
        ];
        let is_complete = candidates.iter().all(|candidates| candidates.is_complete);

        if !is_complete {
            return self.examine_large(examination, (as_resource, as_subject), verified);
        }

        let request = Arc::clone(self);
        let bytes = candidates.iter().map(DeletionCandidates::bytes).sum();
        let delete = move |transaction: &mut Transaction<'_>, attempt| {
            verified.confirm(transaction, attempt)?;
            // Read before anything is deleted: the deletions are changes too, and may be as many as the writer reads.
            let changes = verified.changes(transaction)?;
            let [as_resource, as_subject] = &candidates;
            let resource_newcomers = as_resource.newcomers(transaction, changes.clone())?;
            let subject_newcomers = as_subject.newcomers(transaction, changes)?;

            set_metadata(transaction, request.metadata.as_ref())?;
            let mut delete = |candidates: &DeletionCandidates, newcomers: &[Relationship]| {
                delete_each(transaction, candidates.rows.iter().chain(newcomers))
            };
            Ok(ReferenceCounts {
                as_resource: delete(as_resource, &resource_newcomers)?,
                as_subject: delete(as_subject, &subject_newcomers)?,
            })
        };
        Ok(ExaminedWrite::new(delete).deletion().holding(bytes))
    }
}

impl DeleteObjectRequest {
    /// The deletion of more relationships than one turn of the writer may delete.
    fn examine_large(
        self: &Arc<Self>,
        examination: &Examination<'_>,
        (as_resource, as_subject): (DeletionSelection, DeletionSelection),
        verified: VerifiedPrerequisites<Self>,
    ) -> Result<ExaminedWrite<ReferenceCounts>, DatabaseError> {
        if !examination.is_exclusive {
            return Ok(ExaminedWrite::must_be_exclusive());
        }
        let request = Arc::clone(self);
        let targets = DeletionTargets {
            selections: vec![as_resource.clone(), as_subject.clone()],
            counted_resource: Some(self.object.clone()),
        };
        if let Some((deletion, verified)) = LargeDeletion::prepare(examination, self, targets)? {
            let bytes = deletion.bytes();
            let publish = move |transaction: &mut Transaction<'_>, attempt| {
                let metadata = request.metadata.as_ref();
                let counts = deletion.publish(transaction, &verified, (attempt, metadata))?;
                Ok(ReferenceCounts {
                    as_resource: counts.of_resource,
                    as_subject: counts.all.saturating_sub(counts.of_resource),
                })
            };
            return Ok(ExaminedWrite::new(publish).deletion().holding(bytes));
        }

        // So much is written meanwhile that only the writer itself can find what there is to delete.
        let delete = move |transaction: &mut Transaction<'_>, attempt| {
            let until = verified.confirm(transaction, attempt)?;
            set_metadata(transaction, request.metadata.as_ref())?;
            // A relationship with the object on both sides is deleted by the first filter.
            let counts = ReferenceCounts {
                as_resource: delete_all(transaction, &as_resource)?,
                as_subject: delete_all(transaction, &as_subject)?,
            };
            until.require_not_passed(transaction)?;
            Ok(counts)
        };
        Ok(ExaminedWrite::new(delete).large().deletion())
    }
}

impl View<'_> {
    /// The number of relationships that a deletion of the object would delete.
    pub fn count_references(
        &self,
        object: &ObjectRef,
        within: Option<&RelationshipScope>,
    ) -> Result<ReferenceCounts, DatabaseError> {
        let (as_resource, as_subject) = filters(object);
        require_filter(self.schema(), &as_resource)?;
        let budget = self.snapshot.scan_budget();

        let mut counts = ReferenceCounts::default();
        for (filter, count) in
            [(&as_resource, &mut counts.as_resource), (&as_subject, &mut counts.as_subject)]
        {
            let counts_itself = filter.subject.is_none();
            let mut after = None;
            loop {
                let page = self.snapshot.scan_stored(filter, after.as_ref(), PAGE, &budget)?;
                let rows = page.rows.iter();
                let counted = rows.filter(|(found, _)| {
                    (counts_itself || found.resource != *object)
                        && within.is_none_or(|scope| scope.covers(found))
                });
                *count += u64::try_from(counted.count()).unwrap_or(u64::MAX);
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok(counts)
    }
}

/// The filters of relationships with the object as resource, and as subject.
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

impl Database {
    /// Deletes every relationship that references an object, as resource or as subject.
    pub fn delete_object(
        &self,
        clock: impl Into<WriteClock>,
        request: DeleteObjectRequest,
    ) -> Result<(Revision, ReferenceCounts), DatabaseError> {
        self.execute(&Caller::patient(clock), request)
    }
}
