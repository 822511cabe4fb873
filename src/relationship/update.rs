//! Updates of relationships, and preconditions of a write.

use super::filter::RelationshipFilter;
use super::tuple::Relationship;

/// What an update does with its relationship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UpdateOperation {
    /// Adds it; an error when one with the same key exists.
    Create,
    /// Adds it, or replaces caveat and expiration of the one that exists.
    Touch,
    /// Removes it, whatever its caveat and expiration; without effect when it does not exist.
    Delete,
}

/// One update of a write.
#[derive(Clone, Debug, PartialEq)]
pub struct RelationshipUpdate {
    /// What to do.
    pub operation: UpdateOperation,
    /// With which relationship.
    pub relationship: Relationship,
}

impl RelationshipUpdate {
    /// Whether the update deletes.
    pub fn is_deletion(&self) -> bool {
        self.operation == UpdateOperation::Delete
    }
}

/// Whether a precondition requires a match or forbids one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PreconditionOperation {
    /// At least one relationship must match.
    MustMatch,
    /// No relationship may match.
    MustNotMatch,
}

/// A condition on the stored relationships without which a write is not made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Precondition {
    /// Whether a match is required or forbidden.
    pub operation: PreconditionOperation,
    /// Which relationships match.
    pub filter: RelationshipFilter,
}
