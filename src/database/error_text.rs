//! Parts of the messages of errors: relationships, filters and requirements as their callers wrote them.

use super::requirement::{RequiredPermission, UnmetPermission};
use crate::relationship::{
    ObjectIdFilter, Precondition, PreconditionOperation, Relationship, RelationshipFilter,
    SubjectFilter, SubjectRelationFilter,
};
use crate::schema::Diagnostic;
use crate::schema::removals::Removal;

/// A relationship without caveat and expiration, as messages name it.
pub(super) fn key_of(relationship: &Relationship) -> String {
    let Relationship { resource, relation, subject, .. } = relationship;
    format!("{resource}#{relation}@{subject}")
}

/// The message of the first fault of a schema.
pub(super) fn first_message(diagnostics: &[Diagnostic]) -> &str {
    diagnostics.first().map_or("the schema is not valid", |first| first.message.as_str())
}

/// What uses a removal, with one of the uses and how many there are.
pub(super) fn removal_message(
    removal: &Removal,
    count: u64,
    counted_all: bool,
    example: Option<&Relationship>,
) -> String {
    let message = removal.message(example);
    match (count, counted_all) {
        (0 | 1, _) => message,
        (_, true) => format!("{message} (one of {count})"),
        (_, false) => format!("{message} (one of at least {count})"),
    }
}

/// Who lacks which permission.
pub(super) fn unmet_message(unmet: &UnmetPermission) -> String {
    let RequiredPermission { resource, permission, subject, .. } = &unmet.required;
    let required = format!("the write requires `{permission}` on `{resource}` for `{subject}`");
    if unmet.missing_context.is_empty() {
        return format!("{required}, who does not have it");
    }
    let names: Vec<&str> = unmet.missing_context.iter().map(String::as_str).collect();
    format!("{required}, which depends on context that is missing: {}", names.join(", "))
}

/// A precondition in one line.
pub(super) fn precondition_text(precondition: &Precondition) -> String {
    let operation = match precondition.operation {
        PreconditionOperation::MustMatch => "MUST_MATCH",
        PreconditionOperation::MustNotMatch => "MUST_NOT_MATCH",
    };
    format!("{operation} {}", filter_text(&precondition.filter))
}

/// A filter in the shape of a relationship, `*` standing for whatever is not set.
fn filter_text(filter: &RelationshipFilter) -> String {
    let any = || "*".to_owned();
    let resource_type = filter.resource_type.clone().unwrap_or_else(any);
    let resource_id = match &filter.resource_id {
        None => any(),
        Some(ObjectIdFilter::Exact(id)) => id.clone(),
        Some(ObjectIdFilter::Prefix(start)) => format!("{start}*"),
    };
    let relation = filter.relation.clone().unwrap_or_else(any);
    let subject = filter.subject.as_ref().map_or_else(any, subject_text);
    format!("{resource_type}:{resource_id}#{relation}@{subject}")
}

fn subject_text(filter: &SubjectFilter) -> String {
    let id = filter.subject_id.as_deref().unwrap_or("*");
    match &filter.relation {
        SubjectRelationFilter::Any => format!("{}:{id}#*", filter.subject_type),
        SubjectRelationFilter::Itself => format!("{}:{id}", filter.subject_type),
        SubjectRelationFilter::Named(name) => format!("{}:{id}#{name}", filter.subject_type),
    }
}
