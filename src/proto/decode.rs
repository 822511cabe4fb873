//! Messages to the vocabulary.
//!
//! Every function notes all that is wrong with a message in [`FieldErrors`], each with the field it stands in, and returns `None`
//! only if it noted something.

use super::authzed::api::v1 as proto;
use super::decode_context::context;
use super::field_errors::{Breach, Field, FieldErrors};
use crate::relationship::{
    ContextualizedCaveat, NameKind, ObjectRef, Qualifiers, Relationship, RelationshipUpdate,
    Subject, Timestamp, UpdateOperation, WILDCARD_ID, require_name,
};

/// An object.
pub(crate) fn object(
    errors: &mut FieldErrors,
    field: Field<'_>,
    message: Option<proto::ObjectReference>,
) -> Option<ObjectRef> {
    let proto::ObjectReference { object_type, object_id } = errors.require(field, message)?;
    let named = require_name(NameKind::Definition, &object_type);
    let type_fits = errors.note(field.at("object_type"), named).is_some();
    let id_fits = if object_id == WILDCARD_ID {
        errors.add(
            field.at("object_id"),
            Breach::Other,
            "`*` is no object: only a subject may be a wildcard",
        );
        false
    } else {
        let named = require_name(NameKind::ObjectId, &object_id);
        errors.note(field.at("object_id"), named).is_some()
    };
    if type_fits && id_fits { ObjectRef::new(object_type, object_id).ok() } else { None }
}

/// A subject: an object, a userset or a wildcard.
pub(crate) fn subject(
    errors: &mut FieldErrors,
    field: Field<'_>,
    message: Option<proto::SubjectReference>,
) -> Option<Subject> {
    let message = errors.require(field, message)?;
    let relation_field = field.at("optional_relation");
    let relation = optional_relation(errors, relation_field, message.optional_relation);
    let wildcard_type = message
        .object
        .as_ref()
        .filter(|object| object.object_id == WILDCARD_ID)
        .map(|object| object.object_type.clone());

    let Some(object_type) = wildcard_type else {
        let object = object(errors, field.at("object"), message.object)?;
        let relation = relation?;
        let itself = relation.is_empty();
        return Some(if itself {
            Subject::Object(object)
        } else {
            Subject::Userset(object, relation)
        });
    };
    let named = require_name(NameKind::Definition, &object_type);
    errors.note(field.at("object").at("object_type"), named)?;
    if !relation?.is_empty() {
        errors.add(relation_field, Breach::Other, "a wildcard subject takes no relation");
        return None;
    }

    Some(Subject::Wildcard(object_type))
}

/// The name of a relation or permission, or nothing.
pub(crate) fn optional_relation(
    errors: &mut FieldErrors,
    field: Field<'_>,
    name: String,
) -> Option<String> {
    if !name.is_empty() {
        errors.note(field, require_name(NameKind::Relation, &name))?;
    }
    Some(name)
}

/// An update of a relationship.
pub(crate) fn update(
    errors: &mut FieldErrors,
    field: Field<'_>,
    message: proto::RelationshipUpdate,
) -> Option<RelationshipUpdate> {
    use proto::relationship_update::Operation;
    let operation = match message.operation() {
        Operation::Create => Some(UpdateOperation::Create),
        Operation::Touch => Some(UpdateOperation::Touch),
        Operation::Delete => Some(UpdateOperation::Delete),
        Operation::Unspecified => {
            let rule = format!("`{}` is none of the operations 1 to 3", message.operation);
            errors.add(field.at("operation"), Breach::Enum(message.operation), rule);
            None
        }
    };
    let field = field.at("relationship");
    let relationship = relationship(errors, field, message.relationship);
    Some(RelationshipUpdate { operation: operation?, relationship: relationship? })
}

/// A relationship with its caveat and expiration.
pub(crate) fn relationship(
    errors: &mut FieldErrors,
    field: Field<'_>,
    message: Option<proto::Relationship>,
) -> Option<Relationship> {
    let message = errors.require(field, message)?;
    let resource = object(errors, field.at("resource"), message.resource);
    let named = require_name(NameKind::Relation, &message.relation);
    let relation = errors.note(field.at("relation"), named).map(|()| message.relation);
    let subject = subject(errors, field.at("subject"), message.subject);
    let qualifiers =
        qualifiers(errors, &field, message.optional_caveat, message.optional_expires_at);
    let Qualifiers { caveat, expires_at } = qualifiers?;
    Some(Relationship {
        resource: resource?,
        relation: relation?,
        subject: subject?,
        caveat,
        expires_at,
    })
}

/// Caveat and expiration of a relationship.
pub(crate) fn qualifiers(
    errors: &mut FieldErrors,
    field: &Field<'_>,
    optional_caveat: Option<proto::ContextualizedCaveat>,
    optional_expires_at: Option<prost_types::Timestamp>,
) -> Option<Qualifiers> {
    let caveat = optional_caveat.map_or(Some(None), |message| {
        caveat(errors, field.at("optional_caveat"), message).map(Some)
    });
    let expires_at = optional_expires_at.map_or(Some(None), |message| {
        timestamp(errors, field.at("optional_expires_at"), message).map(Some)
    });
    Some(Qualifiers { caveat: caveat?, expires_at: expires_at? })
}

fn caveat(
    errors: &mut FieldErrors,
    field: Field<'_>,
    message: proto::ContextualizedCaveat,
) -> Option<ContextualizedCaveat> {
    let named = require_name(NameKind::Caveat, &message.caveat_name);
    let name = errors.note(field.at("caveat_name"), named).map(|()| message.caveat_name);
    let context = context(errors, field.at("context"), message.context);
    Some(ContextualizedCaveat { name: name?, context: context? })
}

/// A point in time.
pub(crate) fn timestamp(
    errors: &mut FieldErrors,
    field: Field<'_>,
    message: prost_types::Timestamp,
) -> Option<Timestamp> {
    let prost_types::Timestamp { seconds, nanos } = message;
    let time = u32::try_from(nanos)
        .ok()
        .filter(|nanos| *nanos < 1_000_000_000)
        .and_then(|nanos| Timestamp::from_unix(seconds, nanos).ok());
    if time.is_none() {
        let rule = format!("{seconds} s {nanos} ns is no time within the years 1 to 9999");
        errors.add(field, Breach::Other, rule);
    }
    time
}
