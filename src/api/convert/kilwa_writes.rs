//! Requests that write relationships, of both APIs.

use crate::api::convert::checks::{CheckMessage, check_arguments};
use crate::api::convert::relationships::{Sizes, metadata, preconditions, updates};
use crate::api::convert::violations::Violations;
use crate::api::request_limits::RequestLimits;
use crate::database::{DeleteObjectRequest, RequiredPermission, SetRelationRequest, WriteRequest};
use crate::proto::authzed::api::v1::{ContextualizedCaveat, WriteRelationshipsRequest};
use crate::proto::decode::{object, qualifiers, subject};
use crate::proto::field_errors::Field;
use crate::proto::kilwa::v1 as proto;
use crate::relationship::{NameKind, ObjectRef, Qualifiers, Relationship, Subject, require_name};
use prost::Message as _;
use tonic::Status;

/// The updates and preconditions of a write.
pub(crate) fn write(
    request: WriteRelationshipsRequest,
    limits: RequestLimits,
) -> Result<WriteRequest, Status> {
    let WriteRelationshipsRequest {
        updates,
        optional_preconditions,
        optional_transaction_metadata,
    } = request;
    let required_permissions = Vec::new();
    let request = proto::WriteRelationshipsRequest {
        updates,
        optional_preconditions,
        required_permissions,
        optional_transaction_metadata,
    };
    kilwa_write(request, limits)
}

/// The updates of a write of `kilwa.v1`, and what has to be true before.
pub(crate) fn kilwa_write(
    request: proto::WriteRelationshipsRequest,
    limits: RequestLimits,
) -> Result<WriteRequest, Status> {
    let mut violations = Violations::of::<proto::WriteRelationshipsRequest>();
    let updates = updates(&mut violations, request.updates, limits);
    let preconditions = preconditions(&mut violations, request.optional_preconditions);
    let permissions = permissions(&mut violations, request.required_permissions, limits);
    let metadata = metadata(&mut violations, request.optional_transaction_metadata);
    violations.finish(Some(WriteRequest { updates, preconditions, permissions, metadata }))
}

/// The subjects that a relation shall have.
pub(crate) fn set_relation(
    request: proto::SetRelationRequest,
    limits: RequestLimits,
) -> Result<SetRelationRequest, Status> {
    let mut violations = Violations::of::<proto::SetRelationRequest>();
    let resource = object(&mut violations, Field::root("resource"), request.resource);
    let named = require_name(NameKind::Relation, &request.relation);
    let relation =
        violations.note(Field::root("relation"), named).map(|()| request.relation.clone());
    let field = Field::root("subjects");

    let mut subjects = Vec::with_capacity(request.subjects.len());
    if let (Some(resource), Some(relation)) = (&resource, &relation) {
        for (index, message) in request.subjects.into_iter().enumerate() {
            let read = relation_subject(
                &mut violations,
                field.item(index),
                (resource, relation),
                message,
                limits,
            );
            subjects.extend(read);
        }
    }
    let preconditions = preconditions(&mut violations, request.optional_preconditions);
    let permissions = permissions(&mut violations, request.required_permissions, limits);
    let metadata = metadata(&mut violations, request.optional_transaction_metadata);

    violations.finish(resource.zip(relation).map(|(resource, relation)| SetRelationRequest {
        resource,
        relation,
        subjects,
        within: None,
        preconditions,
        permissions,
        metadata,
    }))
}

/// The arguments of a deletion of an object.
pub(crate) fn delete_object(
    request: proto::DeleteObjectRequest,
    limits: RequestLimits,
) -> Result<DeleteObjectRequest, Status> {
    let mut violations = Violations::of::<proto::DeleteObjectRequest>();
    let object = object(&mut violations, Field::root("object"), request.object);
    let preconditions = preconditions(&mut violations, request.optional_preconditions);
    let permissions = permissions(&mut violations, request.required_permissions, limits);
    let metadata = metadata(&mut violations, request.optional_transaction_metadata);
    violations.finish(object.map(|object| DeleteObjectRequest {
        object,
        within: None,
        preconditions,
        permissions,
        metadata,
    }))
}

fn relation_subject(
    violations: &mut Violations,
    field: Field<'_>,
    (resource, relation): (&ObjectRef, &str),
    message: proto::RelationSubject,
    limits: RequestLimits,
) -> Option<(Subject, Qualifiers)> {
    let proto::RelationSubject { subject: named, optional_caveat, optional_expires_at } = message;
    let caveat = optional_caveat.as_ref().map_or(0, ContextualizedCaveat::encoded_len);
    let sizes = Sizes { relationship: caveat, caveat };
    let subject = subject(violations, field.at("subject"), named);
    let qualifiers = qualifiers(violations, &field, optional_caveat, optional_expires_at);
    let (subject, qualifiers) = (subject?, qualifiers?);
    let relationship = Relationship {
        resource: resource.clone(),
        relation: relation.to_owned(),
        subject: subject.clone(),
        caveat: qualifiers.caveat.clone(),
        expires_at: qualifiers.expires_at,
    };
    sizes.require_small(violations, &relationship, limits);
    Some((subject, qualifiers))
}

fn permissions(
    violations: &mut Violations,
    messages: Vec<proto::RequiredPermission>,
    limits: RequestLimits,
) -> Vec<RequiredPermission> {
    let field = Field::root("required_permissions");
    let mut read = Vec::with_capacity(messages.len());
    for (index, message) in messages.into_iter().enumerate() {
        let proto::RequiredPermission { resource, permission, subject, context } = message;
        let parts = CheckMessage { resource, permission, subject, context };
        let check = check_arguments(violations, Some(field.item(index)), limits, parts);
        read.extend(check.map(|check| RequiredPermission {
            resource: check.resource,
            permission: check.permission,
            subject: check.subject,
            context: check.context,
        }));
    }
    read
}
