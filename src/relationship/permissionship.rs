//! The result of a permission check.

use std::collections::BTreeSet;

/// Whether a subject has a permission on a resource.
///
/// The field's three values: a caveat on a relationship may need context that neither the relationship nor the request
/// supplies, and then the result is conditional.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Permissionship {
    /// The subject does not have the permission.
    NoPermission,
    /// The subject has the permission.
    HasPermission,
    /// The result depends on caveat parameters with these names, for which no value was given.
    Conditional(BTreeSet<String>),
}

impl Permissionship {
    /// Whether the subject has the permission, whatever context is added.
    pub fn is_granted(&self) -> bool {
        *self == Self::HasPermission
    }
}
