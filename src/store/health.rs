//! Whether the store takes writes.

use std::sync::{Mutex, PoisonError};

/// Why the writer has stopped, if it has.
#[derive(Debug, Default)]
pub(super) struct WriteHealth(Mutex<Option<String>>);

impl WriteHealth {
    /// Records that a commit failed. The first reason stays: later refusals only follow from it.
    pub(super) fn stop(&self, reason: &str) {
        let mut stopped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.get_or_insert_with(|| reason.to_owned());
    }

    pub(super) fn stopped(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
