//! Relationship filters as arguments.

use crate::relationship::{
    ObjectIdFilter, RelationshipFilter, SubjectFilter, SubjectRelationFilter,
};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct FilterArgs {
    /// Resources by type and id: document, document:plan, or document:pl% for ids that start with pl.
    #[arg(required_unless_present = "any_relation_subject")]
    resource: Option<String>,
    /// Relation of the resource.
    relation: Option<String>,
    /// Subjects: user, user:ann, or group:eng#member.
    #[arg(conflicts_with = "any_relation_subject")]
    subject: Option<String>,
    /// Subjects, without a relation: --subject-filter user:ann alone selects all relationships in which user:ann is the
    /// subject.
    #[arg(long = "subject-filter", value_name = "SUBJECT")]
    any_relation_subject: Option<String>,
}

/// The same, where no argument selects all relationships.
#[derive(Debug, Args)]
pub(super) struct OptionalFilterArgs {
    /// Resources by type and id: document, document:plan, or document:pl% for ids that start with pl. Without it, all
    /// relationships are selected.
    resource: Option<String>,
    /// Relation of the resource.
    relation: Option<String>,
    /// Subjects: user, user:ann, or group:eng#member.
    #[arg(conflicts_with = "any_relation_subject")]
    subject: Option<String>,
    /// Subjects, without a relation.
    #[arg(long = "subject-filter", value_name = "SUBJECT")]
    any_relation_subject: Option<String>,
}

impl OptionalFilterArgs {
    pub(super) fn filter(&self) -> Option<RelationshipFilter> {
        let filter = FilterArgs {
            resource: self.resource.clone(),
            relation: self.relation.clone(),
            subject: self.subject.clone(),
            any_relation_subject: self.any_relation_subject.clone(),
        };
        Some(filter.filter()).filter(|filter| !filter.is_empty())
    }
}

impl OptionalFilterArgs {
    /// The same, where the first argument may also be a whole relationship, as other commands print it.
    pub(super) fn history_filter(&self) -> Option<RelationshipFilter> {
        let whole = self.resource.as_deref().filter(|text| text.contains(['#', '@']));
        match whole {
            // Caveat and expiration are not part of the key.
            Some(text) => Some(parse(text.split('[').next().unwrap_or(text))),
            None => self.filter(),
        }
    }
}

impl FilterArgs {
    pub(super) fn filter(&self) -> RelationshipFilter {
        let resource = self.resource.as_deref().unwrap_or_default();
        let (resource_type, id) = resource.split_once(':').unwrap_or((resource, ""));
        let resource_id = match id.strip_suffix('%') {
            Some(prefix) => Some(ObjectIdFilter::Prefix(prefix.to_owned())),
            None => given(id).map(ObjectIdFilter::Exact),
        };
        let subject = self.subject.as_deref().or(self.any_relation_subject.as_deref());
        RelationshipFilter {
            resource_type: given(resource_type),
            resource_id,
            relation: self.relation.clone(),
            subject: subject.map(subject_filter),
        }
    }
}

impl FilterArgs {
    /// The object if nothing else is given, since the caller may want its relationships as subject too.
    pub(super) fn lone_object(&self) -> Option<&str> {
        let resource = self.resource.as_deref().filter(|resource| resource.contains(':'))?;
        let is_alone = self.relation.is_none() && self.any_relation_subject.is_none();
        is_alone.then_some(resource)
    }
}

/// Parses a filter such as `document:plan#viewer@user:ann`, in which every part is optional.
pub(super) fn parse(text: &str) -> RelationshipFilter {
    let (left, subject) = match text.split_once('@') {
        Some((left, subject)) => (left, given(subject)),
        None => (text, None),
    };
    let (resource, relation) = left.split_once('#').unwrap_or((left, ""));
    let (resource, relation) = (given(resource), given(relation));
    FilterArgs { resource, relation, subject, any_relation_subject: None }.filter()
}

fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn subject_filter(text: &str) -> SubjectFilter {
    let (object, relation) = match text.split_once('#') {
        Some((object, "..." | "")) => (object, SubjectRelationFilter::Itself),
        Some((object, relation)) => (object, SubjectRelationFilter::Named(relation.to_owned())),
        None => (text, SubjectRelationFilter::Any),
    };
    let (subject_type, id) = object.split_once(':').unwrap_or((object, ""));
    SubjectFilter { subject_type: subject_type.to_owned(), subject_id: given(id), relation }
}
