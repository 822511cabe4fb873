//! The result of a permission check.

use std::collections::BTreeSet;
use std::fmt;

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

/// `true`, `false` or `caveated`, as in the names of assertions.
impl fmt::Display for Permissionship {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::HasPermission => "true",
            Self::NoPermission => "false",
            Self::Conditional(_) => "caveated",
        })
    }
}
