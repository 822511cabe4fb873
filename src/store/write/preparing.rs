//! The turn to prepare a revision: one at a time, so that no two of them can want the same place.

use crate::relationship::ReadError;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a waiting caller sleeps between two questions whether it still has a reason to wait.
const PATIENCE: Duration = Duration::from_millis(10);

/// Whether a revision is being prepared.
#[derive(Debug, Default)]
pub(in crate::store) struct PreparingTurn {
    taken: Mutex<bool>,
    freed: Condvar,
}

/// Held while a revision is being prepared, and until it is published or given up.
#[derive(Debug)]
pub(in crate::store) struct PreparingGuard(Arc<PreparingTurn>);

impl PreparingTurn {
    /// Waits for the turn, for as long as the caller waits.
    pub(in crate::store) fn take(
        self: &Arc<Self>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<PreparingGuard, ReadError> {
        let mut taken = self.taken.lock().unwrap_or_else(PoisonError::into_inner);
        while *taken {
            if interrupted() {
                return Err(ReadError::interrupted());
            }
            let waited = self.freed.wait_timeout(taken, PATIENCE);
            (taken, _) = waited.unwrap_or_else(PoisonError::into_inner);
        }
        *taken = true;
        Ok(PreparingGuard(Arc::clone(self)))
    }
}

impl Drop for PreparingGuard {
    fn drop(&mut self) {
        *self.0.taken.lock().unwrap_or_else(PoisonError::into_inner) = false;
        self.0.freed.notify_one();
    }
}
