//! A check query and its result.

use crate::engine::limits::Statistics;
use crate::engine::trace::Trace;
use crate::relationship::{Context, ObjectRef, Permissionship, Subject};
use std::sync::LazyLock;

static NO_CONTEXT: LazyLock<Context> = LazyLock::new(Context::default);

/// Whether this subject has that permission on that resource.
#[derive(Clone, Copy, Debug)]
pub struct CheckQuery<'q> {
    /// The object that access is requested to.
    pub resource: &'q ObjectRef,
    /// A permission or relation of its definition.
    pub permission: &'q str,
    /// The subject that requests access: an object or a userset.
    pub subject: &'q Subject,
    /// Values for caveat parameters that the relationships do not store.
    pub context: &'q Context,
}

impl<'q> CheckQuery<'q> {
    /// A query without caveat context.
    pub fn new(resource: &'q ObjectRef, permission: &'q str, subject: &'q Subject) -> Self {
        Self { resource, permission, subject, context: &NO_CONTEXT }
    }

    /// The same query with values for caveat parameters.
    #[must_use]
    pub fn with_context(self, context: &'q Context) -> Self {
        Self { context, ..self }
    }
}

/// The result of a check.
#[derive(Clone, Debug)]
pub struct CheckResult {
    /// Whether the subject has the permission.
    pub permissionship: Permissionship,
    /// The steps of the evaluation, when [`EvalContext::tracing`](super::super::EvalContext::tracing) is set.
    pub trace: Option<Trace>,
    /// The work that was done.
    pub statistics: Statistics,
}
