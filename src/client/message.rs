//! The vocabulary as messages of the wire, and back.

use super::calls::Moment;
use super::connection::CallError;
use crate::proto::authzed::api::v1 as wire;
use crate::relationship::{
    Context, ContextualizedCaveat, ObjectIdFilter, ObjectRef, Relationship, RelationshipFilter,
    RelationshipUpdate, Subject, SubjectFilter, SubjectRelationFilter, Timestamp, UpdateOperation,
};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as WireValue};
use serde_json::{Map, Value};

pub(super) fn object(object: &ObjectRef) -> wire::ObjectReference {
    wire::ObjectReference {
        object_type: object.object_type().to_owned(),
        object_id: object.object_id().to_owned(),
    }
}

pub(super) fn subject(subject: &Subject) -> wire::SubjectReference {
    wire::SubjectReference {
        object: Some(wire::ObjectReference {
            object_type: subject.object_type().to_owned(),
            object_id: subject.object_id().to_owned(),
        }),
        optional_relation: subject.relation().unwrap_or_default().to_owned(),
    }
}

pub(super) fn relationship(relationship: &Relationship) -> wire::Relationship {
    let caveat = relationship.caveat.as_ref();
    wire::Relationship {
        resource: Some(object(&relationship.resource)),
        relation: relationship.relation.clone(),
        subject: Some(subject(&relationship.subject)),
        optional_caveat: caveat.map(|caveat| wire::ContextualizedCaveat {
            caveat_name: caveat.name.clone(),
            context: context(&caveat.context),
        }),
        optional_expires_at: relationship.expires_at.map(timestamp),
    }
}

pub(super) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    let nanos = i32::try_from(at.subsec_nanos()).unwrap_or_default();
    prost_types::Timestamp { seconds: at.unix_seconds(), nanos }
}

pub(super) fn update(update: &RelationshipUpdate) -> wire::RelationshipUpdate {
    use wire::relationship_update::Operation;
    let operation = match update.operation {
        UpdateOperation::Create => Operation::Create,
        UpdateOperation::Touch => Operation::Touch,
        UpdateOperation::Delete => Operation::Delete,
    };
    wire::RelationshipUpdate {
        operation: operation.into(),
        relationship: Some(relationship(&update.relationship)),
    }
}

pub(super) fn filter(filter: &RelationshipFilter) -> wire::RelationshipFilter {
    let (exact, prefix) = match &filter.resource_id {
        Some(ObjectIdFilter::Exact(id)) => (id.clone(), String::new()),
        Some(ObjectIdFilter::Prefix(prefix)) => (String::new(), prefix.clone()),
        None => (String::new(), String::new()),
    };
    wire::RelationshipFilter {
        resource_type: filter.resource_type.clone().unwrap_or_default(),
        optional_resource_id: exact,
        optional_resource_id_prefix: prefix,
        optional_relation: filter.relation.clone().unwrap_or_default(),
        optional_subject_filter: filter.subject.as_ref().map(subject_filter),
    }
}

fn subject_filter(filter: &SubjectFilter) -> wire::SubjectFilter {
    let relation = match &filter.relation {
        SubjectRelationFilter::Any => None,
        SubjectRelationFilter::Itself => Some(String::new()),
        SubjectRelationFilter::Named(name) => Some(name.clone()),
    };
    wire::SubjectFilter {
        subject_type: filter.subject_type.clone(),
        optional_subject_id: filter.subject_id.clone().unwrap_or_default(),
        optional_relation: relation
            .map(|relation| wire::subject_filter::RelationFilter { relation }),
    }
}

pub(super) fn consistency(moment: &Moment) -> wire::Consistency {
    use wire::consistency::Requirement;
    let token = |token: &String| wire::ZedToken { token: token.clone() };
    let requirement = match moment {
        Moment::MinimizeLatency => Requirement::MinimizeLatency(true),
        Moment::AtLeastAsFresh(least) => Requirement::AtLeastAsFresh(token(least)),
        Moment::AtExactSnapshot(exact) => Requirement::AtExactSnapshot(token(exact)),
        Moment::FullyConsistent => Requirement::FullyConsistent(true),
    };
    wire::Consistency { requirement: Some(requirement) }
}

/// The context as a message; none when it is empty.
pub(super) fn context(context: &Context) -> Option<Struct> {
    (!context.is_empty()).then(|| to_struct(context.as_map()))
}

fn to_struct(map: &Map<String, Value>) -> Struct {
    Struct { fields: map.iter().map(|(name, value)| (name.clone(), to_value(value))).collect() }
}

fn to_value(value: &Value) -> WireValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(to_value).collect() })
        }
        Value::Object(fields) => Kind::StructValue(to_struct(fields)),
    };
    WireValue { kind: Some(kind) }
}

/// The context of a message.
pub(super) fn to_context(message: Option<Struct>) -> Context {
    Context::from_map(message.map(from_struct).unwrap_or_default())
}

fn from_struct(message: Struct) -> Map<String, Value> {
    message.fields.into_iter().map(|(name, value)| (name, from_value(value))).collect()
}

fn from_value(value: WireValue) -> Value {
    match value.kind {
        None | Some(Kind::NullValue(_)) => Value::Null,
        Some(Kind::BoolValue(value)) => value.into(),
        Some(Kind::NumberValue(number)) => number.into(),
        Some(Kind::StringValue(text)) => text.into(),
        Some(Kind::ListValue(list)) => list.values.into_iter().map(from_value).collect(),
        Some(Kind::StructValue(fields)) => Value::Object(from_struct(fields)),
    }
}

/// The time of a message.
pub(super) fn to_timestamp(at: prost_types::Timestamp) -> Result<Timestamp, CallError> {
    Timestamp::from_unix(at.seconds, u32::try_from(at.nanos).unwrap_or_default())
        .map_err(|error| CallError::Nonsense(error.to_string()))
}

/// The relationship of a message.
pub(super) fn to_relationship(message: wire::Relationship) -> Result<Relationship, CallError> {
    let unreadable = |error: &dyn std::fmt::Display| CallError::Nonsense(error.to_string());
    let resource = message.resource.unwrap_or_default();
    let subject = message.subject.unwrap_or_default();
    let object = subject.object.unwrap_or_default();
    let expires_at = message.optional_expires_at.map(to_timestamp);
    Ok(Relationship {
        resource: ObjectRef::new(resource.object_type, resource.object_id)
            .map_err(|error| unreadable(&error))?,
        relation: message.relation,
        subject: Subject::new(object.object_type, object.object_id, subject.optional_relation)
            .map_err(|error| unreadable(&error))?,
        caveat: message.optional_caveat.map(|caveat| ContextualizedCaveat {
            name: caveat.caveat_name,
            context: to_context(caveat.context),
        }),
        expires_at: expires_at.transpose()?,
    })
}

/// The text of a token; empty when the server sent none.
pub(super) fn token(token: Option<wire::ZedToken>) -> String {
    token.unwrap_or_default().token
}
