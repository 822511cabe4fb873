//! The calls of `kilwa.v1`, which only Kilwa serves.

use super::calls::Asked;
use super::connection::{CallError, Connection};
use super::message;
use crate::proto::authzed::api::v1::Relationship as RelationshipMessage;
use crate::proto::kilwa::v1 as wire;
use crate::relationship::{ObjectRef, Relationship, RelationshipUpdate};

/// What setting a relation changed.
#[derive(Clone, Debug, PartialEq)]
pub struct RelationSet {
    /// What was not there.
    pub added: Vec<Relationship>,
    /// What was there and carried something else; as it is now.
    pub changed: Vec<Relationship>,
    /// What is gone.
    pub removed: Vec<Relationship>,
}

/// How many relationships name an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mentions {
    /// Those whose resource it is.
    pub as_resource: u64,
    /// Those of other resources whose subject it is, or a userset of it.
    pub as_subject: u64,
}

impl Connection {
    /// Makes all the changes or none, if what is required holds; gives the token of the write.
    pub fn write_if(
        &self,
        updates: &[RelationshipUpdate],
        required: &[Asked],
    ) -> Result<String, CallError> {
        if required.is_empty() {
            return self.write(updates);
        }
        let request = wire::WriteRelationshipsRequest {
            updates: updates.iter().map(message::update).collect(),
            required_permissions: required.iter().map(permission).collect(),
            ..wire::WriteRelationshipsRequest::default()
        };
        let response = self.wait(self.relationships().write_relationships(request))?;
        Ok(message::token(response.written_at))
    }

    /// Gives a relation exactly the subjects of the relationships, if what is required holds; gives what that changed and
    /// the token of the write.
    pub fn set_relation(
        &self,
        resource: &ObjectRef,
        relation: &str,
        relationships: &[Relationship],
        required: &[Asked],
    ) -> Result<(RelationSet, String), CallError> {
        let subject = |relationship: &Relationship| {
            let message = message::relationship(relationship);
            wire::RelationSubject {
                subject: message.subject,
                optional_caveat: message.optional_caveat,
                optional_expires_at: message.optional_expires_at,
            }
        };
        let request = wire::SetRelationRequest {
            resource: Some(message::object(resource)),
            relation: relation.to_owned(),
            subjects: relationships.iter().map(subject).collect(),
            required_permissions: required.iter().map(permission).collect(),
            ..wire::SetRelationRequest::default()
        };
        let response = self.wait(self.relationships().set_relation(request))?;
        let read = |messages: Vec<RelationshipMessage>| {
            messages.into_iter().map(message::to_relationship).collect::<Result<Vec<_>, _>>()
        };
        let set = RelationSet {
            added: read(response.added)?,
            changed: read(response.changed)?,
            removed: read(response.removed)?,
        };
        Ok((set, message::token(response.written_at)))
    }

    /// Removes every relationship that names an object, if what is required holds, or only counts them; gives the counts
    /// and the token of their moment.
    pub fn delete_object(
        &self,
        object: &ObjectRef,
        dry_run: bool,
        required: &[Asked],
    ) -> Result<(Mentions, String), CallError> {
        let request = wire::DeleteObjectRequest {
            object: Some(message::object(object)),
            dry_run,
            required_permissions: required.iter().map(permission).collect(),
            ..wire::DeleteObjectRequest::default()
        };
        let response = self.wait(self.relationships().delete_object(request))?;
        let mentions = Mentions {
            as_resource: response.as_resource_count,
            as_subject: response.as_subject_count,
        };
        Ok((mentions, message::token(response.at)))
    }
}

fn permission(asked: &Asked) -> wire::RequiredPermission {
    wire::RequiredPermission {
        resource: Some(message::object(&asked.resource)),
        permission: asked.permission.clone(),
        subject: Some(message::subject(&asked.subject)),
        context: message::context(&asked.context),
    }
}
