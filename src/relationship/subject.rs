//! Subjects: the users, groups and other objects to which relationships grant access.

use super::keys::SubjectKey;
use super::name::{InvalidName, NameKind, require_name};
use super::object::ObjectRef;
use std::fmt;

/// The object id of a wildcard, which stands for every object of a type.
pub const WILDCARD_ID: &str = "*";

/// The right side of a relationship.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject {
    /// One object: `user:ann`.
    Object(ObjectRef),
    /// The subjects of a relation or permission of an object: `group:eng#member`.
    Userset(ObjectRef, String),
    /// Every object of a type: `user:*`. Covers objects, never usersets.
    Wildcard(String),
}

impl Subject {
    /// The subject with these parts; an id of `*` makes a wildcard, which has no relation.
    /// A relation of `""` or `...` means the object itself.
    pub fn new(
        object_type: impl Into<String>,
        object_id: impl Into<String>,
        relation: impl Into<String>,
    ) -> Result<Self, InvalidName> {
        let (object_type, object_id, relation) =
            (object_type.into(), object_id.into(), relation.into());
        let itself = relation.is_empty() || relation == "...";
        if object_id == WILDCARD_ID && itself {
            require_name(NameKind::Definition, &object_type)?;
            return Ok(Self::Wildcard(object_type));
        }
        let object = ObjectRef::new(object_type, object_id)?;
        if itself {
            return Ok(Self::Object(object));
        }
        require_name(NameKind::Relation, &relation)?;
        Ok(Self::Userset(object, relation))
    }

    /// The name of the subject's definition.
    pub fn object_type(&self) -> &str {
        match self {
            Self::Object(object) | Self::Userset(object, _) => object.object_type(),
            Self::Wildcard(object_type) => object_type,
        }
    }

    /// The subject's id; `*` for a wildcard.
    pub fn object_id(&self) -> &str {
        match self {
            Self::Object(object) | Self::Userset(object, _) => object.object_id(),
            Self::Wildcard(_) => WILDCARD_ID,
        }
    }

    /// The relation of a userset.
    pub fn relation(&self) -> Option<&str> {
        match self {
            Self::Userset(_, relation) => Some(relation),
            Self::Object(_) | Self::Wildcard(_) => None,
        }
    }

    /// The subject as a key of reads.
    pub fn key(&self) -> SubjectKey<'_> {
        SubjectKey {
            object_type: self.object_type(),
            object_id: self.object_id(),
            relation: self.relation(),
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.object_type(), self.object_id())?;
        match self.relation() {
            Some(relation) => write!(f, "#{relation}"),
            None => Ok(()),
        }
    }
}
