//! What is asked, within which bounds, and what is answered.

use crate::engine::limits::Statistics;
use crate::engine::trace::Trace;
use crate::relationship::{Context, ObjectRef, Permissionship, Subject};

/// May this subject do this on that resource?
#[derive(Clone, Copy, Debug)]
pub struct CheckQuery<'q> {
    /// The object that access is about.
    pub resource: &'q ObjectRef,
    /// A permission or relation of its definition.
    pub permission: &'q str,
    /// Who asks for access: an object or a userset.
    pub subject: &'q Subject,
    /// Values for caveat parameters that the relationships do not store.
    pub context: &'q Context,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct CheckResult {
    /// The answer itself.
    pub permissionship: Permissionship,
    /// How it came about, when that was asked for.
    pub trace: Option<Trace>,
    /// What it cost.
    pub statistics: Statistics,
}
