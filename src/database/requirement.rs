//! Permissions that a write requires.

use crate::relationship::{Context, ObjectRef, Subject};
use std::collections::BTreeSet;

/// A permission that a subject must have, without condition, for a write to be applied.
#[derive(Clone, Debug, PartialEq)]
pub struct RequiredPermission {
    /// The resource.
    pub resource: ObjectRef,
    /// A permission or relation of its definition.
    pub permission: String,
    /// The subject: an object or a userset.
    pub subject: Subject,
    /// Values for caveat parameters.
    pub context: Context,
}

/// A required permission that the subject does not have.
#[derive(Clone, Debug, PartialEq)]
pub struct UnmetPermission {
    /// The permission.
    pub required: RequiredPermission,
    /// The caveat parameters without which the result is conditional; empty when the subject does not have the permission.
    pub missing_context: BTreeSet<String>,
}
