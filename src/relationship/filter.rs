//! Filters that select relationships, for reads, deletions, preconditions and counters.

use super::subject::Subject;
use super::tuple::Relationship;

/// A conjunction of conditions on a relationship's key. Caveats and expirations play no part.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct RelationshipFilter {
    /// The resource's type.
    pub resource_type: Option<String>,
    /// The resource's id, or a prefix of it.
    pub resource_id: Option<ObjectIdFilter>,
    /// The relation.
    pub relation: Option<String>,
    /// The subject.
    pub subject: Option<SubjectFilter>,
}

/// A condition on an object id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum ObjectIdFilter {
    /// Exactly this id.
    Exact(String),
    /// Ids that start with this prefix.
    Prefix(String),
}

/// A condition on a subject.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SubjectFilter {
    /// The subject's type.
    pub subject_type: String,
    /// The subject's id; `*` selects wildcards.
    pub subject_id: Option<String>,
    /// The subject's relation.
    pub relation: SubjectRelationFilter,
}

/// A condition on a subject's relation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub enum SubjectRelationFilter {
    /// Objects, wildcards and usersets alike.
    #[default]
    Any,
    /// Only objects and wildcards.
    Itself,
    /// Only usersets of this relation.
    Named(String),
}

impl RelationshipFilter {
    /// Whether no condition is set, so that everything would match.
    pub fn is_empty(&self) -> bool {
        self.resource_type.is_none()
            && self.resource_id.is_none()
            && self.relation.is_none()
            && self.subject.is_none()
    }

    /// Whether a relationship meets every condition.
    pub fn matches(&self, relationship: &Relationship) -> bool {
        let resource = &relationship.resource;
        self.resource_type.as_deref().is_none_or(|wanted| wanted == resource.object_type())
            && self.resource_id.as_ref().is_none_or(|wanted| wanted.matches(resource.object_id()))
            && self.relation.as_ref().is_none_or(|wanted| *wanted == relationship.relation)
            && self.subject.as_ref().is_none_or(|wanted| wanted.matches(&relationship.subject))
    }
}

impl ObjectIdFilter {
    /// Whether an id meets the condition.
    pub fn matches(&self, object_id: &str) -> bool {
        match self {
            Self::Exact(id) => id == object_id,
            Self::Prefix(prefix) => object_id.starts_with(prefix.as_str()),
        }
    }
}

impl SubjectFilter {
    /// Whether a subject meets every condition.
    pub fn matches(&self, subject: &Subject) -> bool {
        self.subject_type == subject.object_type()
            && self.subject_id.as_deref().is_none_or(|id| id == subject.object_id())
            && self.relation.matches(subject.relation())
    }
}

impl SubjectRelationFilter {
    /// Whether a subject's relation meets the condition.
    pub fn matches(&self, relation: Option<&str>) -> bool {
        match self {
            Self::Any => true,
            Self::Itself => relation.is_none(),
            Self::Named(name) => relation == Some(name.as_str()),
        }
    }
}
