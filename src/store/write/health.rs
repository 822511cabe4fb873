//! Whether the store accepts writes.

use std::sync::{Mutex, PoisonError};

/// Why a store accepts no writes until it is opened again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WriteStop {
    /// A commit failed for this reason, so what is on disk is unknown.
    CommitFailed(String),
    /// The data folder, or a file in it, is not there any more, or is another one: what would be written is lost with the
    /// process.
    FolderLost(String),
}

impl WriteStop {
    /// What went wrong, for the operator.
    pub fn reason(&self) -> &str {
        match self {
            Self::CommitFailed(reason) | Self::FolderLost(reason) => reason,
        }
    }
}

/// Why the writer has stopped, if it has.
#[derive(Debug, Default)]
pub(in crate::store) struct WriteHealth(Mutex<Option<WriteStop>>);

impl WriteHealth {
    /// Records why nothing more may be committed. The first reason stays, because later failures follow from it.
    pub(in crate::store) fn stop(&self, stop: WriteStop) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(stop);
    }

    /// Why the writer has stopped; `None` while it accepts writes.
    pub(in crate::store) fn stopped(&self) -> Option<WriteStop> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
