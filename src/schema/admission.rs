//! Admission: whether the schema allows a relationship to be written or deleted, and a filter to be used.

use crate::caveat::CaveatError;
use crate::relationship::{
    Relationship, RelationshipFilter, Subject, SubjectRelationFilter, nearest,
};
use crate::schema::model::{AllowedForm, AllowedSubject, Definition, DefinitionId, NodeId, Rule};
use crate::schema::schema::Schema;
use crate::schema::subject_traits::SubjectTraits;

/// Why a relationship does not fit the schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RelationshipError {
    /// The resource's or the subject's type does not exist.
    #[error("object definition `{name}` not found")]
    UnknownDefinition {
        /// The type.
        name: String,
    },
    /// The resource's or the subject's relation does not exist.
    #[error("relation/permission `{name}` not found under definition `{definition}`")]
    UnknownRelation {
        /// The type that lacks it.
        definition: String,
        /// The relation.
        name: String,
    },
    /// Permissions are computed; relationships are written to relations.
    #[error(
        "cannot write a relationship to permission `{permission}` under definition `{definition}`"
    )]
    IsPermission {
        /// The resource's type.
        definition: String,
        /// The permission.
        permission: String,
    },
    /// The relation does not take subjects of this form.
    #[error("{}", invalid_subject(.definition, .relation, .subject_type, .allowed_caveats, .suggestion.as_deref()))]
    InvalidSubject {
        /// The resource's type.
        definition: String,
        /// The relation.
        relation: String,
        /// The subject's form in full, such as `user:*` or `user with office_hours`.
        subject_type: String,
        /// The caveats with one of which the subject would be allowed; empty unless a caveat is all that is missing.
        allowed_caveats: Vec<String>,
        /// The allowed form that was probably meant.
        suggestion: Option<String>,
    },
    /// The caveat does not take this context.
    #[error(transparent)]
    Caveat(#[from] CaveatError),
}

/// A name in a filter that the schema does not have.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UnknownName {
    /// A type.
    #[error("object definition `{name}` not found")]
    Definition {
        /// The type.
        name: String,
    },
    /// A relation of a type.
    #[error("relation/permission `{name}` not found under definition `{definition}`")]
    Relation {
        /// The type that lacks it.
        definition: String,
        /// The relation.
        name: String,
    },
}

fn invalid_subject(
    definition: &str,
    relation: &str,
    subject_type: &str,
    allowed_caveats: &[String],
    suggestion: Option<&str>,
) -> String {
    let message = format!(
        "subjects of type `{subject_type}` are not allowed on relation `{definition}#{relation}`"
    );
    match suggestion {
        _ if !allowed_caveats.is_empty() => format!(
            "{message} without one of the following caveats: {}",
            allowed_caveats.join(", ")
        ),
        Some(suggestion) => format!("{message}; did you mean `{suggestion}`?"),
        None => message,
    }
}

/// The relation and the subject of a relationship, looked up.
struct Resolved<'s> {
    allowed: &'s [AllowedSubject],
    subject: DefinitionId,
    form: AllowedForm,
}

impl Schema {
    /// Whether a relationship may be written: type and relation exist, the relation takes subjects of this form under
    /// this caveat and with or without expiration, and the caveat takes the stored context.
    pub fn check_relationship(&self, relationship: &Relationship) -> Result<(), RelationshipError> {
        let resolved = self.resolve(relationship)?;
        let caveat = relationship.caveat.as_ref().map(|caveat| self.find_caveat(&caveat.name));
        if caveat == Some(None) {
            return Err(self.not_allowed(relationship, &resolved));
        }
        let caveat = caveat.flatten();
        let expires = relationship.expires_at.is_some();
        let fits = |allowed: &AllowedSubject| {
            resolved.takes(allowed) && allowed.caveat == caveat && allowed.expires == expires
        };
        if !resolved.allowed.iter().any(fits) {
            return Err(self.not_allowed(relationship, &resolved));
        }
        match (&relationship.caveat, caveat) {
            (Some(written), Some(id)) => Ok(self.caveat(id).check_stored(&written.context)?),
            _ => Ok(()),
        }
    }

    /// Whether a relationship may be named in a deletion: as for writing, but a caveat that is not given stands for any,
    /// and contexts and expirations do not matter.
    pub fn check_deletion(&self, relationship: &Relationship) -> Result<(), RelationshipError> {
        let resolved = self.resolve(relationship)?;
        let caveat = relationship.caveat.as_ref().map(|caveat| caveat.name.as_str());
        let fits = |allowed: &AllowedSubject| {
            let allowed_caveat = allowed.caveat.map(|id| self.caveat(id).name());
            resolved.takes(allowed) && (caveat.is_none() || caveat == allowed_caveat)
        };
        if resolved.allowed.iter().any(fits) {
            return Ok(());
        }
        Err(self.not_allowed(relationship, &resolved))
    }

    /// Whether every type and relation that a filter names exists. A relation that is named without its type is not
    /// looked up.
    pub fn check_filter(&self, filter: &RelationshipFilter) -> Result<(), UnknownName> {
        if let Some(name) = &filter.resource_type {
            let definition = self.known_definition(name)?;
            if let Some(relation) = &filter.relation {
                self.known_node(definition, relation)?;
            }
        }
        let Some(subject) = &filter.subject else { return Ok(()) };
        let definition = self.known_definition(&subject.subject_type)?;
        match &subject.relation {
            SubjectRelationFilter::Named(name) => self.known_node(definition, name).map(|_| ()),
            SubjectRelationFilter::Any | SubjectRelationFilter::Itself => Ok(()),
        }
    }

    fn known_definition(&self, name: &str) -> Result<&Definition, UnknownName> {
        self.find_definition(name).ok_or_else(|| UnknownName::Definition { name: name.to_owned() })
    }

    fn known_node(&self, definition: &Definition, name: &str) -> Result<NodeId, UnknownName> {
        let node = self.find_node(definition.id, name).map(|node| node.id);
        node.ok_or_else(|| UnknownName::Relation {
            definition: definition.name.clone(),
            name: name.to_owned(),
        })
    }

    fn resolve(&self, relationship: &Relationship) -> Result<Resolved<'_>, RelationshipError> {
        // The order of these errors follows SpiceDB's: resource, subject, and only then that it is a permission.
        let definition = self.known_definition(relationship.resource.object_type())?;
        let relation = self.known_node(definition, &relationship.relation)?;
        let subject = self.known_definition(relationship.subject.object_type())?;
        let form = match &relationship.subject {
            Subject::Object(_) => AllowedForm::Object,
            Subject::Wildcard(_) => AllowedForm::Wildcard,
            Subject::Userset(_, name) => AllowedForm::Userset(self.known_node(subject, name)?),
        };
        let Rule::Relation(allowed) = &self.node(relation).rule else {
            return Err(RelationshipError::IsPermission {
                definition: definition.name.clone(),
                permission: relationship.relation.clone(),
            });
        };
        Ok(Resolved { allowed, subject: subject.id, form })
    }

    fn not_allowed(
        &self,
        relationship: &Relationship,
        resolved: &Resolved<'_>,
    ) -> RelationshipError {
        let subject_type = subject_form(relationship);
        let expires = relationship.expires_at.is_some();
        let same = || resolved.allowed.iter().filter(|allowed| resolved.takes(allowed));
        let mut allowed_caveats = Vec::new();
        if relationship.caveat.is_none() && resolved.form != AllowedForm::Wildcard {
            let caveats = same().filter(|allowed| allowed.expires == expires);
            allowed_caveats.extend(
                caveats
                    .filter_map(|allowed| allowed.caveat)
                    .map(|id| self.caveat(id).name().to_owned()),
            );
        }

        // The same subject with other traits is nearer than any other subject of its type.
        let of_type = || resolved.allowed.iter().filter(|a| a.definition == resolved.subject);
        let near = same().next().or_else(|| of_type().next());
        let suggestion = near.map(|allowed| self.allowed_text(allowed)).or_else(|| {
            let texts: Vec<String> =
                resolved.allowed.iter().map(|a| self.allowed_text(a)).collect();
            nearest(&subject_type, texts.iter().map(String::as_str)).map(str::to_owned)
        });

        RelationshipError::InvalidSubject {
            definition: relationship.resource.object_type().to_owned(),
            relation: relationship.relation.clone(),
            subject_type,
            allowed_caveats,
            suggestion,
        }
    }
}

impl Resolved<'_> {
    /// Whether the subject is of this form, traits apart.
    fn takes(&self, allowed: &AllowedSubject) -> bool {
        allowed.definition == self.subject && allowed.form == self.form
    }
}

/// The form of a relationship's subject, as the language writes it.
fn subject_form(relationship: &Relationship) -> String {
    let subject = &relationship.subject;
    let form = match subject {
        Subject::Object(_) => subject.object_type().to_owned(),
        Subject::Wildcard(_) => format!("{}:*", subject.object_type()),
        Subject::Userset(_, relation) => format!("{}#{relation}", subject.object_type()),
    };
    let caveat = relationship.caveat.as_ref().map(|caveat| caveat.name.as_str());
    format!("{form}{}", SubjectTraits { caveat, expires: relationship.expires_at.is_some() })
}

impl From<UnknownName> for RelationshipError {
    fn from(unknown: UnknownName) -> Self {
        match unknown {
            UnknownName::Definition { name } => Self::UnknownDefinition { name },
            UnknownName::Relation { definition, name } => {
                Self::UnknownRelation { definition, name }
            }
        }
    }
}
