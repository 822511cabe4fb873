//! Which relationships are meant, as arguments.

use crate::api::proto::authzed::api::v1::subject_filter::RelationFilter;
use crate::api::proto::authzed::api::v1::{RelationshipFilter, SubjectFilter};
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Filter {
    /// Type and id of the resources: document, document:plan, or document:pl% for ids that start with pl.
    resource: String,
    /// The relation.
    relation: Option<String>,
    /// The subjects: user, user:ann, or group:eng#member.
    #[arg(conflicts_with = "any_relation_subject")]
    subject: Option<String>,
    /// The subjects, where no relation is given.
    #[arg(long = "subject-filter", value_name = "SUBJECT")]
    any_relation_subject: Option<String>,
}

impl Filter {
    pub(super) fn message(&self) -> RelationshipFilter {
        let (resource_type, id) = self.resource.split_once(':').unwrap_or((&self.resource, ""));
        let (exact, prefix) = match id.strip_suffix('%') {
            Some(prefix) => ("", prefix),
            None => (id, ""),
        };
        let subject = self.subject.as_deref().or(self.any_relation_subject.as_deref());
        RelationshipFilter {
            resource_type: resource_type.to_owned(),
            optional_resource_id: exact.to_owned(),
            optional_resource_id_prefix: prefix.to_owned(),
            optional_relation: self.relation.clone().unwrap_or_default(),
            optional_subject_filter: subject.map(subject_filter),
        }
    }
}

fn subject_filter(text: &str) -> SubjectFilter {
    let (object, relation) = match text.split_once('#') {
        Some((object, relation)) => (object, Some(relation)),
        None => (text, None),
    };
    let (subject_type, id) = object.split_once(':').unwrap_or((object, ""));
    let itself = |relation: &str| if relation == "..." { "" } else { relation }.to_owned();
    SubjectFilter {
        subject_type: subject_type.to_owned(),
        optional_subject_id: id.to_owned(),
        optional_relation: relation.map(|relation| RelationFilter { relation: itself(relation) }),
    }
}
