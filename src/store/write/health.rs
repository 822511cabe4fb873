//! Whether the store accepts writes.

use std::sync::{Mutex, PoisonError};

/// Why the writer has stopped, if it has.
#[derive(Debug, Default)]
pub(in crate::store) struct WriteHealth(Mutex<Option<String>>);

impl WriteHealth {
    /// Records that a commit failed. The first reason stays, because later failures follow from it.
    pub(in crate::store) fn stop(&self, reason: &str) {
        let mut stopped = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        stopped.get_or_insert_with(|| reason.to_owned());
    }

    /// Why the writer has stopped; `None` while it accepts writes.
    pub(in crate::store) fn stopped(&self) -> Option<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
