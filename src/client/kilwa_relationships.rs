//! Calls of `kilwa.v1.RelationshipsService`, which only Kilwa serves.

use super::call_error::CallError;
use super::check::PermissionCheck;
use super::connection::Connection;
use super::decode;
use crate::proto::encode;
use crate::proto::kilwa::v1 as wire;
use crate::relationship::{ObjectRef, Relationship, RelationshipUpdate};

/// The changes of a set relation.
#[derive(Clone, Debug, PartialEq)]
pub struct SetRelationResult {
    /// Relationships that were created.
    pub added: Vec<Relationship>,
    /// Relationships whose caveat or expiration changed, as they are now.
    pub changed: Vec<Relationship>,
    /// Relationships that were deleted.
    pub removed: Vec<Relationship>,
}

/// Number of relationships that reference an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ObjectUseCounts {
    /// Relationships of the object as a resource.
    pub as_resource: u64,
    /// Relationships of other resources with the object, or a userset of it, as their subject.
    pub as_subject: u64,
}

impl Connection {
    /// Writes all updates or none, if every required check holds, and returns the token of the write.
    pub fn write_if(
        &self,
        updates: &[RelationshipUpdate],
        required: &[PermissionCheck],
    ) -> Result<String, CallError> {
        if required.is_empty() {
            return self.write(updates);
        }
        let request = wire::WriteRelationshipsRequest {
            updates: updates.iter().map(encode::update).collect(),
            required_permissions: required.iter().map(required_permission).collect(),
            ..wire::WriteRelationshipsRequest::default()
        };
        let response = self.wait(self.relationships().write_relationships(request))?;
        Ok(decode::token(response.written_at))
    }

    /// Makes a relation have exactly the subjects of the relationships, if every required check holds. Returns the changes and
    /// the token of the write.
    pub fn set_relation(
        &self,
        resource: &ObjectRef,
        relation: &str,
        relationships: &[Relationship],
        required: &[PermissionCheck],
    ) -> Result<(SetRelationResult, String), CallError> {
        let subject = |relationship: &Relationship| {
            let message = encode::relationship(relationship);
            wire::RelationSubject {
                subject: message.subject,
                optional_caveat: message.optional_caveat,
                optional_expires_at: message.optional_expires_at,
            }
        };
        let request = wire::SetRelationRequest {
            resource: Some(encode::object(resource)),
            relation: relation.to_owned(),
            subjects: relationships.iter().map(subject).collect(),
            required_permissions: required.iter().map(required_permission).collect(),
            ..wire::SetRelationRequest::default()
        };
        let response = self.wait(self.relationships().set_relation(request))?;

        let set = SetRelationResult {
            added: decode::relationships(response.added)?,
            changed: decode::relationships(response.changed)?,
            removed: decode::relationships(response.removed)?,
        };
        Ok((set, decode::token(response.written_at)))
    }

    /// Deletes every relationship that references an object, if every required check holds, or only counts them. Returns the
    /// counts and the token of their revision.
    pub fn delete_object(
        &self,
        object: &ObjectRef,
        dry_run: bool,
        required: &[PermissionCheck],
    ) -> Result<(ObjectUseCounts, String), CallError> {
        let request = wire::DeleteObjectRequest {
            object: Some(encode::object(object)),
            dry_run,
            required_permissions: required.iter().map(required_permission).collect(),
            ..wire::DeleteObjectRequest::default()
        };
        let response = self.wait(self.relationships().delete_object(request))?;
        let mentions = ObjectUseCounts {
            as_resource: response.as_resource_count,
            as_subject: response.as_subject_count,
        };
        Ok((mentions, decode::token(response.deleted_at)))
    }
}

fn required_permission(check: &PermissionCheck) -> wire::RequiredPermission {
    wire::RequiredPermission {
        resource: Some(encode::object(&check.resource)),
        permission: check.permission.clone(),
        subject: Some(encode::subject(&check.subject)),
        context: encode::optional_context(&check.context),
    }
}
