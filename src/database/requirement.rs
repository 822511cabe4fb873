//! Permissions that must be held for a write to happen.

use super::error::DatabaseError;
use crate::engine::{self, CheckQuery, EvalContext};
use crate::relationship::{Context, ObjectRef, Permissionship, RelationshipReader, Subject};
use std::collections::BTreeSet;

/// The most permissions that one write may require.
const PERMISSIONS_MAX: usize = 100;

/// A permission that somebody must hold, without a doubt left, for a write to happen.
#[derive(Clone, Debug, PartialEq)]
pub struct RequiredPermission {
    /// The object that access is about.
    pub resource: ObjectRef,
    /// A permission or relation of its definition.
    pub permission: String,
    /// Who must have it: an object or a userset.
    pub subject: Subject,
    /// Values for caveat parameters.
    pub context: Context,
}

/// A required permission that is not held.
#[derive(Clone, Debug, PartialEq)]
pub struct UnmetPermission {
    /// The permission.
    pub required: RequiredPermission,
    /// Whether it is the lack of these values alone that leaves a doubt.
    pub missing_context: BTreeSet<String>,
}

pub(super) fn require_few_permissions(
    required: &[RequiredPermission],
) -> Result<(), DatabaseError> {
    let (count, max) = (required.len(), PERMISSIONS_MAX);
    if count > max {
        return Err(DatabaseError::TooManyPermissions { count, max });
    }
    Ok(())
}

/// Requires that the permissions are held in what a scope reads.
pub(super) fn require_permissions<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    required: &[RequiredPermission],
) -> Result<(), DatabaseError> {
    let questions: Vec<CheckQuery<'_>> = required.iter().map(question).collect();
    for (required, checked) in required.iter().zip(engine::check_each(scope, &questions)) {
        let missing_context = match checked?.permissionship {
            Permissionship::HasPermission => continue,
            Permissionship::NoPermission => BTreeSet::new(),
            Permissionship::Conditional(names) => names,
        };
        let unmet = UnmetPermission { required: required.clone(), missing_context };
        return Err(DatabaseError::PermissionRequired(Box::new(unmet)));
    }
    Ok(())
}

fn question(required: &RequiredPermission) -> CheckQuery<'_> {
    let RequiredPermission { resource, permission, subject, context } = required;
    CheckQuery { resource, permission, subject, context }
}
