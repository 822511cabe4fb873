//! Relationships, filters and preconditions as the metadata of errors.

use crate::database::UnmetPermission;
use crate::relationship::{
    ObjectIdFilter, Precondition, PreconditionOperation, Relationship, RelationshipFilter,
    SubjectFilter, SubjectRelationFilter,
};

/// A name and its value.
type MetadataEntry = (&'static str, String);

/// The names of the metadata entries for the parts of a filter.
pub(crate) struct FilterKeys {
    resource_type: &'static str,
    resource_id: &'static str,
    resource_id_prefix: Option<&'static str>,
    relation: &'static str,
    subject_type: &'static str,
    subject_id: &'static str,
    subject_relation: &'static str,
}

/// The names for the filter of a deletion.
pub(crate) const FILTER: FilterKeys = FilterKeys {
    resource_type: "filter_resource_type",
    resource_id: "filter_resource_id",
    resource_id_prefix: None,
    relation: "filter_relation",
    subject_type: "filter_subject_type",
    subject_id: "filter_subject_id",
    subject_relation: "filter_subject_relation",
};

/// The names for the filter of a counter that is not registered.
pub(crate) const NEW_FILTER: FilterKeys = FilterKeys {
    resource_type: "new_filter_resource_type",
    resource_id: "new_filter_resource_id",
    resource_id_prefix: Some("new_filter_resource_id_prefix"),
    relation: "new_filter_relation",
    subject_type: "new_filter_subject_type",
    subject_id: "new_filter_subject_id",
    subject_relation: "new_filter_subject_relation",
};

/// The names for the filter of a precondition.
const PRECONDITION: FilterKeys = FilterKeys {
    resource_type: "precondition_resource_type",
    resource_id: "precondition_resource_id",
    resource_id_prefix: Some("precondition_resource_id_prefix"),
    relation: "precondition_relation",
    subject_type: "precondition_subject_type",
    subject_id: "precondition_subject_id",
    subject_relation: "precondition_subject_relation",
};

/// The text of a relationship without caveat and expiration, which may be long.
pub(crate) fn key_text(relationship: &Relationship) -> String {
    let Relationship { resource, relation, subject, .. } = relationship;
    format!("{resource}#{relation}@{subject}")
}

/// The key of a relationship.
pub(crate) fn from_relationship(relationship: &Relationship) -> Vec<MetadataEntry> {
    let Relationship { resource, relation, subject, .. } = relationship;
    vec![
        ("relationship", key_text(relationship)),
        ("resource_type", resource.object_type().to_owned()),
        ("resource_object_id", resource.object_id().to_owned()),
        ("resource_relation", relation.clone()),
        ("subject_type", subject.object_type().to_owned()),
        ("subject_object_id", subject.object_id().to_owned()),
        ("subject_relation", subject.relation().unwrap_or_default().to_owned()),
    ]
}

/// The operation and the filter of a precondition.
pub(crate) fn from_precondition(precondition: &Precondition) -> Vec<MetadataEntry> {
    let operation = operation_name(precondition.operation).to_owned();
    let mut parts = vec![("precondition_operation", operation)];
    parts.extend(from_filter(&precondition.filter, &PRECONDITION));
    parts
}

fn operation_name(operation: PreconditionOperation) -> &'static str {
    match operation {
        PreconditionOperation::MustMatch => "OPERATION_MUST_MATCH",
        PreconditionOperation::MustNotMatch => "OPERATION_MUST_NOT_MATCH",
    }
}

/// The text form of the message of a precondition, which SpiceDB's errors show.
pub(crate) fn precondition_text(precondition: &Precondition) -> String {
    let RelationshipFilter { resource_type, resource_id, relation, subject } = &precondition.filter;
    let (id, prefix) = match resource_id {
        None => (None, None),
        Some(ObjectIdFilter::Exact(id)) => (Some(id), None),
        Some(ObjectIdFilter::Prefix(prefix)) => (None, Some(prefix)),
    };
    let subject = subject.as_ref().map(|subject| {
        let relation = match &subject.relation {
            SubjectRelationFilter::Any => None,
            SubjectRelationFilter::Itself => Some("{}".to_owned()),
            SubjectRelationFilter::Named(name) => Some(format!("{{relation:{name:?}}}")),
        };
        let parts = [
            Some(format!("subject_type:{:?}", subject.subject_type)),
            subject.subject_id.as_ref().map(|id| format!("optional_subject_id:{id:?}")),
            relation.map(|relation| format!("optional_relation:{relation}")),
        ];
        format!("optional_subject_filter:{{{}}}", spaced(parts.into_iter().flatten()))
    });

    let parts = [
        resource_type.as_ref().map(|name| format!("resource_type:{name:?}")),
        id.map(|id| format!("optional_resource_id:{id:?}")),
        relation.as_ref().map(|name| format!("optional_relation:{name:?}")),
        subject,
        prefix.map(|prefix| format!("optional_resource_id_prefix:{prefix:?}")),
    ];
    let filter = spaced(parts.into_iter().flatten());
    format!("operation:{} filter:{{{filter}}}", operation_name(precondition.operation))
}

fn spaced(parts: impl Iterator<Item = String>) -> String {
    parts.collect::<Vec<_>>().join(" ")
}

/// A permission that is not held, with the missing context if it is conditional.
pub(crate) fn from_unmet_permission(unmet: &UnmetPermission) -> Vec<MetadataEntry> {
    let UnmetPermission { required, missing_context } = unmet;
    let mut parts = vec![
        ("required_resource", required.resource.to_string()),
        ("required_permission", required.permission.clone()),
        ("required_subject", required.subject.to_string()),
    ];
    if !missing_context.is_empty() {
        let names: Vec<&str> = missing_context.iter().map(String::as_str).collect();
        parts.push(("missing_context", names.join(",")));
    }
    parts
}

/// The conditions of a filter that are set.
pub(crate) fn from_filter(filter: &RelationshipFilter, keys: &FilterKeys) -> Vec<MetadataEntry> {
    let mut parts = Vec::new();
    parts.extend(filter.resource_type.clone().map(|name| (keys.resource_type, name)));
    parts.extend(filter.resource_id.as_ref().and_then(|id| match id {
        ObjectIdFilter::Exact(id) => Some((keys.resource_id, id.clone())),
        ObjectIdFilter::Prefix(prefix) => keys.resource_id_prefix.zip(Some(prefix.clone())),
    }));
    parts.extend(filter.relation.clone().map(|name| (keys.relation, name)));
    if let Some(SubjectFilter { subject_type, subject_id, relation }) = &filter.subject {
        parts.push((keys.subject_type, subject_type.clone()));
        parts.extend(subject_id.clone().map(|id| (keys.subject_id, id)));
        parts.extend(match relation {
            SubjectRelationFilter::Any => None,
            SubjectRelationFilter::Itself => Some((keys.subject_relation, String::new())),
            SubjectRelationFilter::Named(name) => Some((keys.subject_relation, name.clone())),
        });
    }
    parts
}
