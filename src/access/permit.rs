//! Permits: what a caller with roles may do with one method.

use crate::relationship::{
    ObjectRef, OutsideScope, Relationship, RelationshipFilter, RelationshipScope, Subject,
};
use std::sync::Arc;

/// A part of the data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Extent {
    /// None of it.
    Nothing,
    /// What is inside of a scope.
    Part(Arc<RelationshipScope>),
    /// All of it.
    Everything,
}

/// What a caller with roles may do with one method.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallPermit {
    /// The part of the data on which the method may be called.
    pub(super) extent: Extent,
    /// The part whose relationships the caller may read.
    pub(super) reads: Extent,
    /// The part whose permissions the caller may ask for.
    pub(super) checks: Extent,
}

/// What the answers to a caller leave out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Withheld {
    /// Whether names of the schema are left out too, and not only what concerns relationships.
    pub names: bool,
}

/// Why a caller may not do something: what its roles lack.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessRefusal {
    /// No role has the method, or none has it without a limit that the method cannot keep to.
    #[error("the caller's roles do not include the method `{method}`{}", hint(*.is_limited))]
    Method {
        /// Its name.
        method: String,
        /// Whether a role has it, for a part of the data.
        is_limited: bool,
    },
    /// The type.
    #[error("the caller's roles do not include the definition `{0}` for this method")]
    Definition(String),
    /// The relation or permission.
    #[error(
        "the caller's roles do not include the relation or permission `{definition}#{relation}` for this method"
    )]
    Relation {
        /// The type.
        definition: String,
        /// The relation or permission.
        relation: String,
    },
    /// The object id.
    #[error(
        "the caller's roles do not include the object id `{object_id}` of `{definition}` for this method: it has none of their prefixes"
    )]
    ObjectId {
        /// The type.
        definition: String,
        /// The id.
        object_id: String,
    },
    /// A filter that may match what is outside.
    #[error(
        "the filter may match more than the caller's roles include: name a resource type, a relation and a resource id or prefix that are inside"
    )]
    OpenFilter,
    /// A precondition without the right to read.
    #[error("a precondition needs a role that includes the method `ReadRelationships`")]
    Precondition,
    /// A required permission without the right to check.
    #[error("a required permission needs a role that includes the method `CheckPermission`")]
    RequiredPermission,
    /// A trace, which shows relationships.
    #[error(
        "traces, and reasons in AuthZEN, need a role that includes the method `ReadRelationships` without limits to a part of the data"
    )]
    Trace,
    /// A tree with something outside.
    #[error("the tree leads to objects or relations that the caller's roles do not include")]
    Tree,
}

impl AccessRefusal {
    /// What is missing, in one word for programs.
    pub fn missing(&self) -> &'static str {
        match self {
            Self::Method { .. } | Self::Precondition | Self::RequiredPermission | Self::Trace => {
                "method"
            }
            Self::Definition(_) => "definition",
            Self::Relation { .. } => "relation",
            Self::ObjectId { .. } => "object_id",
            Self::OpenFilter => "filter",
            Self::Tree => "tree",
        }
    }
}

fn hint(is_limited: bool) -> &'static str {
    if is_limited { ", which needs a role without limits to a part of the data" } else { "" }
}

impl From<OutsideScope> for AccessRefusal {
    fn from(outside: OutsideScope) -> Self {
        match outside {
            OutsideScope::Definition(name) => Self::Definition(name),
            OutsideScope::Relation { definition, relation } => {
                Self::Relation { definition, relation }
            }
            OutsideScope::ObjectId { definition, object_id } => {
                Self::ObjectId { definition, object_id }
            }
            OutsideScope::OpenFilter => Self::OpenFilter,
        }
    }
}

impl Extent {
    /// Its scope; `None` when it is everything or nothing.
    fn scope(&self) -> Option<&Arc<RelationshipScope>> {
        match self {
            Self::Part(scope) => Some(scope),
            Self::Nothing | Self::Everything => None,
        }
    }

    pub(super) fn has_all_names(&self) -> bool {
        match self {
            Self::Nothing => false,
            Self::Part(scope) => scope.has_all_names(),
            Self::Everything => true,
        }
    }
}

impl CallPermit {
    /// The scope of the method; `None` when it is all of the data.
    pub fn scope(&self) -> Option<&Arc<RelationshipScope>> {
        self.extent.scope()
    }

    /// What answers leave out; nothing where the caller may read every relationship.
    pub fn withheld(&self) -> Option<Withheld> {
        let names = !(self.extent.has_all_names() || self.reads.has_all_names());
        (self.reads != Extent::Everything).then_some(Withheld { names })
    }

    /// Requires that an object is inside.
    pub fn require_object(&self, definition: &str, object_id: &str) -> Result<(), AccessRefusal> {
        let Some(scope) = self.scope() else { return Ok(()) };
        Ok(scope.require_object(definition, object_id)?)
    }

    /// Requires that a relation or permission of an object is inside.
    pub fn require_node(
        &self,
        definition: &str,
        object_id: &str,
        relation: &str,
    ) -> Result<(), AccessRefusal> {
        let Some(scope) = self.scope() else { return Ok(()) };
        Ok(scope.require_node(definition, object_id, relation)?)
    }

    /// Requires that one role has a resource with its relation or permission, and a subject.
    pub fn require_pair(
        &self,
        resource: &ObjectRef,
        relation: &str,
        subject: &Subject,
    ) -> Result<(), AccessRefusal> {
        let Some(scope) = self.scope() else { return Ok(()) };
        Ok(scope.require_pair(resource, relation, subject)?)
    }

    /// Requires that everything a filter names is inside.
    pub fn require_named(&self, filter: &RelationshipFilter) -> Result<(), AccessRefusal> {
        let Some(scope) = self.scope() else { return Ok(()) };
        Ok(scope.require_named(filter)?)
    }

    /// Whether a relationship is inside.
    pub fn covers(&self, relationship: &Relationship) -> bool {
        self.scope().is_none_or(|scope| scope.covers(relationship))
    }

    /// Requires that the relationships of a precondition may be read: it tells whether there are some.
    pub fn require_readable(&self, filter: &RelationshipFilter) -> Result<(), AccessRefusal> {
        match &self.reads {
            Extent::Nothing => Err(AccessRefusal::Precondition),
            Extent::Part(scope) => Ok(scope.require_contained(filter)?),
            Extent::Everything => Ok(()),
        }
    }

    /// Requires that a permission may be asked for, which a write requires.
    pub fn require_checkable(
        &self,
        resource: &ObjectRef,
        permission: &str,
        subject: &Subject,
    ) -> Result<(), AccessRefusal> {
        match &self.checks {
            Extent::Nothing => Err(AccessRefusal::RequiredPermission),
            Extent::Part(scope) => Ok(scope.require_pair(resource, permission, subject)?),
            Extent::Everything => Ok(()),
        }
    }

    /// Requires that the caller may read every relationship, some of which a trace shows.
    pub fn require_traces(&self) -> Result<(), AccessRefusal> {
        if self.reads == Extent::Everything { Ok(()) } else { Err(AccessRefusal::Trace) }
    }
}
