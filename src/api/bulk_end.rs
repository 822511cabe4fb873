//! Where a bulk check may end early: a caller inside of the process that needs no answer after a certain one says which.

use crate::engine::CheckResult;
use crate::relationship::Permissionship;
use std::sync::{Arc, OnceLock};

/// In the extensions of a request: the first answer after which no other is needed. It is set while the request is read.
#[derive(Clone, Debug, Default)]
pub(crate) struct BulkEnd(Arc<OnceLock<LastAnswer>>);

/// What decides a bulk check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LastAnswer {
    /// The first permission that is held without a condition.
    Permission,
    /// The first that is not, or not known to be.
    Denial,
}

impl BulkEnd {
    /// Has the check end at this answer.
    pub(crate) fn set(&self, last: LastAnswer) {
        // A request is read once.
        let _set_before = self.0.set(last);
    }

    /// Whether a check that was answered so is the last one.
    pub(crate) fn is_after<E>(&self, answer: &Result<CheckResult, E>) -> bool {
        let permits =
            matches!(answer, Ok(CheckResult { permissionship: Permissionship::HasPermission, .. }));
        match self.0.get() {
            None => false,
            Some(LastAnswer::Permission) => permits,
            Some(LastAnswer::Denial) => !permits,
        }
    }

    /// Whether a check that the caller may not make is the last one.
    pub(crate) fn is_after_refusal(&self) -> bool {
        self.0.get() == Some(&LastAnswer::Denial)
    }
}
