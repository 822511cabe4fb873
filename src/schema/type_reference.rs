//! Type references: the subject types that relations allow, by name.

use super::model::{AllowedForm, AllowedSubject};
use super::schema::Schema;
use crate::relationship::{Relationship, Subject, SubjectFilter, SubjectRelationFilter};

/// A form of subject, by names.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct TypeReference {
    /// As the language writes it.
    pub text: String,
    /// The subject's type.
    pub subject_type: String,
    /// The subject's relation; `None` for objects and wildcards.
    pub subject_relation: Option<String>,
    /// Whether it is the wildcard.
    pub is_wildcard: bool,
    /// The caveat that relationships of this form carry.
    pub caveat: Option<String>,
    /// Whether relationships of this form expire.
    pub expires: bool,
}

impl TypeReference {
    pub(super) fn new(schema: &Schema, allowed: &AllowedSubject) -> Self {
        Self {
            text: schema.allowed_text(allowed),
            subject_type: schema.definition(allowed.definition).name.clone(),
            subject_relation: match allowed.form {
                AllowedForm::Userset(node) => Some(schema.node(node).name.clone()),
                AllowedForm::Object | AllowedForm::Wildcard => None,
            },
            is_wildcard: allowed.form == AllowedForm::Wildcard,
            caveat: allowed.caveat.map(|id| schema.caveat(id).name().to_owned()),
            expires: allowed.expires,
        }
    }

    pub(super) fn filter(&self) -> SubjectFilter {
        SubjectFilter {
            subject_type: self.subject_type.clone(),
            subject_id: self.is_wildcard.then(|| "*".to_owned()),
            relation: match &self.subject_relation {
                Some(relation) => SubjectRelationFilter::Named(relation.clone()),
                None => SubjectRelationFilter::Itself,
            },
        }
    }

    /// Whether a relationship carries what this form asks for, and its subject is the wildcard or not.
    pub(super) fn matches(&self, relationship: &Relationship) -> bool {
        let caveat = relationship.caveat.as_ref().map(|caveat| caveat.name.as_str());
        matches!(relationship.subject, Subject::Wildcard(_)) == self.is_wildcard
            && caveat == self.caveat.as_deref()
            && relationship.expires_at.is_some() == self.expires
    }
}
