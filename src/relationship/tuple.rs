//! Relationships.

use super::context::Context;
use super::keys::ResourceKey;
use super::object::ObjectRef;
use super::subject::Subject;
use super::timestamp::Timestamp;

/// A subject has a relation to a resource, perhaps only under a caveat or until a time.
///
/// Resource, relation and subject are the key: a store has at most one relationship with each key. Caveat and expiration
/// are its qualifiers.
#[derive(Clone, Debug, PartialEq)]
pub struct Relationship {
    /// The object to which the relationship grants access.
    pub resource: ObjectRef,
    /// The relation of the resource's definition.
    pub relation: String,
    /// The subject that has the relation.
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
    /// The stored values; they take precedence over those of a request.
    pub context: Context,
}

/// What qualifies a relationship: its caveat and its expiration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Qualifiers {
    /// The condition under which it holds.
    pub caveat: Option<ContextualizedCaveat>,
    /// The time from which it no longer holds.
    pub expires_at: Option<Timestamp>,
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

    /// The caveat and the expiration.
    pub fn qualifiers(&self) -> Qualifiers {
        Qualifiers { caveat: self.caveat.clone(), expires_at: self.expires_at }
    }
}
