//! Relationships, and what a write does to them.

use super::context::Context;
use super::filter::RelationshipFilter;
use super::object::ObjectRef;
use super::reader::{ResourceKey, Terms};
use super::subject::Subject;
use super::timestamp::Timestamp;

/// That a subject stands in a relation to a resource, perhaps only under a caveat or until a time.
///
/// Two relationships are the same when resource, relation and subject are; caveat and expiration are what the
/// relationship carries.
#[derive(Clone, Debug, PartialEq)]
pub struct Relationship {
    /// The object that access is about.
    pub resource: ObjectRef,
    /// The relation of the resource's definition.
    pub relation: String,
    /// Who stands in the relation.
    pub subject: Subject,
    /// The condition under which it holds.
    pub caveat: Option<ContextualizedCaveat>,
    /// The time from which it no longer holds.
    pub expires_at: Option<Timestamp>,
}

/// A caveat by name, with the part of its context that is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct ContextualizedCaveat {
    /// The caveat's name in the schema.
    pub name: String,
    /// The stored values; they win over a request's.
    pub context: Context,
}

impl Relationship {
    /// The resource side as a key of reads.
    pub fn resource_key(&self) -> ResourceKey<'_> {
        ResourceKey {
            object_type: self.resource.object_type(),
            object_id: self.resource.object_id(),
            relation: &self.relation,
        }
    }

    /// What the relationship carries beside its key.
    pub fn terms(&self) -> Terms {
        Terms { caveat: self.caveat.clone(), expires_at: self.expires_at }
    }
}

/// What an update does with its relationship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpdateOperation {
    /// Adds it; refused when one with the same key exists.
    Create,
    /// Adds it, or replaces caveat and expiration of the one that exists.
    Touch,
    /// Removes it, whatever it carries; nothing happens when it is not there.
    Delete,
}

/// One change of a write.
#[derive(Clone, Debug, PartialEq)]
pub struct RelationshipUpdate {
    /// What to do.
    pub operation: UpdateOperation,
    /// With which relationship.
    pub relationship: Relationship,
}

/// Whether a precondition wants a match or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PreconditionOperation {
    /// At least one relationship must match.
    MustMatch,
    /// No relationship may match.
    MustNotMatch,
}

/// What has to be true before a write for it to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    /// Whether a match is wanted.
    pub operation: PreconditionOperation,
    /// Of which relationships.
    pub filter: RelationshipFilter,
}
