//! The vocabulary to messages.

use crate::proto::authzed::api::v1 as proto;
use crate::proto::authzed::api::v1::check_permission_response::Permissionship as WirePermissionship;
use crate::relationship::{
    Context, ContextualizedCaveat, ObjectIdFilter, ObjectRef, Permissionship, Relationship,
    RelationshipFilter, RelationshipUpdate, Subject, SubjectFilter, SubjectRelationFilter,
    Timestamp, UpdateOperation,
};
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value as ProtoValue};
use serde_json::{Map, Value};
use std::collections::BTreeSet;

/// The answer to a check.
pub(crate) fn permissionship(permissionship: &Permissionship) -> WirePermissionship {
    match permissionship {
        Permissionship::NoPermission => WirePermissionship::NoPermission,
        Permissionship::HasPermission => WirePermissionship::HasPermission,
        Permissionship::Conditional(_) => WirePermissionship::ConditionalPermission,
    }
}

/// The context parameters that a conditional result lacks; `None` for other results.
pub(crate) fn partial_caveat_info(
    permissionship: &Permissionship,
) -> Option<proto::PartialCaveatInfo> {
    match permissionship {
        Permissionship::NoPermission | Permissionship::HasPermission => None,
        Permissionship::Conditional(missing) => Some(missing_context(missing)),
    }
}

/// The names of missing context.
pub(crate) fn missing_context(missing: &BTreeSet<String>) -> proto::PartialCaveatInfo {
    proto::PartialCaveatInfo { missing_required_context: missing.iter().cloned().collect() }
}

/// A relationship with all that it carries.
pub(crate) fn relationship(relationship: &Relationship) -> proto::Relationship {
    let Relationship { resource, relation, subject: of, caveat: condition, expires_at } =
        relationship;
    proto::Relationship {
        resource: Some(object(resource)),
        relation: relation.clone(),
        subject: Some(subject(of)),
        optional_caveat: condition.as_ref().map(caveat),
        optional_expires_at: expires_at.map(timestamp),
    }
}

/// A change of a relationship.
pub(crate) fn update(update: &RelationshipUpdate) -> proto::RelationshipUpdate {
    use proto::relationship_update::Operation;
    let operation = match update.operation {
        UpdateOperation::Create => Operation::Create,
        UpdateOperation::Touch => Operation::Touch,
        UpdateOperation::Delete => Operation::Delete,
    };
    proto::RelationshipUpdate {
        operation: operation.into(),
        relationship: Some(relationship(&update.relationship)),
    }
}

/// An object.
pub(crate) fn object(object: &ObjectRef) -> proto::ObjectReference {
    proto::ObjectReference {
        object_type: object.object_type().to_owned(),
        object_id: object.object_id().to_owned(),
    }
}

/// A subject; a wildcard has the id `*`.
pub(crate) fn subject(subject: &Subject) -> proto::SubjectReference {
    proto::SubjectReference {
        object: Some(proto::ObjectReference {
            object_type: subject.object_type().to_owned(),
            object_id: subject.object_id().to_owned(),
        }),
        optional_relation: subject.relation().unwrap_or_default().to_owned(),
    }
}

/// A filter.
pub(crate) fn filter(filter: &RelationshipFilter) -> proto::RelationshipFilter {
    let (exact, prefix) = match &filter.resource_id {
        Some(ObjectIdFilter::Exact(id)) => (id.clone(), String::new()),
        Some(ObjectIdFilter::Prefix(prefix)) => (String::new(), prefix.clone()),
        None => (String::new(), String::new()),
    };
    proto::RelationshipFilter {
        resource_type: filter.resource_type.clone().unwrap_or_default(),
        optional_resource_id: exact,
        optional_resource_id_prefix: prefix,
        optional_relation: filter.relation.clone().unwrap_or_default(),
        optional_subject_filter: filter.subject.as_ref().map(subject_filter),
    }
}

fn subject_filter(filter: &SubjectFilter) -> proto::SubjectFilter {
    let relation = match &filter.relation {
        SubjectRelationFilter::Any => None,
        SubjectRelationFilter::Itself => Some(String::new()),
        SubjectRelationFilter::Named(name) => Some(name.clone()),
    };
    proto::SubjectFilter {
        subject_type: filter.subject_type.clone(),
        optional_subject_id: filter.subject_id.clone().unwrap_or_default(),
        optional_relation: relation
            .map(|relation| proto::subject_filter::RelationFilter { relation }),
    }
}

/// A context.
pub(crate) fn structure(context: &Context) -> Struct {
    object_value(context.as_map())
}

/// A context; `None` if it is empty.
pub(crate) fn optional_context(context: &Context) -> Option<Struct> {
    (!context.is_empty()).then(|| structure(context))
}

fn caveat(caveat: &ContextualizedCaveat) -> proto::ContextualizedCaveat {
    proto::ContextualizedCaveat {
        caveat_name: caveat.name.clone(),
        context: Some(structure(&caveat.context)),
    }
}

/// A time.
pub(crate) fn timestamp(at: Timestamp) -> prost_types::Timestamp {
    prost_types::Timestamp {
        seconds: at.unix_seconds(),
        nanos: i32::try_from(at.subsec_nanos()).unwrap_or_default(),
    }
}

fn object_value(object: &Map<String, Value>) -> Struct {
    Struct { fields: object.iter().map(|(name, item)| (name.clone(), value(item))).collect() }
}

fn value(value: &Value) -> ProtoValue {
    let kind = match value {
        Value::Null => Kind::NullValue(0),
        Value::Bool(value) => Kind::BoolValue(*value),
        Value::Number(number) => Kind::NumberValue(number.as_f64().unwrap_or_default()),
        Value::String(text) => Kind::StringValue(text.clone()),
        Value::Array(items) => {
            Kind::ListValue(ListValue { values: items.iter().map(self::value).collect() })
        }
        Value::Object(object) => Kind::StructValue(object_value(object)),
    };
    ProtoValue { kind: Some(kind) }
}
