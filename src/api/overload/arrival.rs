//! Where and when a call has arrived.

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::time::Instant;

/// When a call has arrived, and in which connection; in the extensions of a request.
#[derive(Clone, Debug)]
pub struct CallArrival {
    /// From then on its client waits.
    pub at: Instant,
    /// Learns who calls.
    pub caller: Arc<ConnectionCaller>,
}

/// The caller of the last call of a connection that was let in.
#[derive(Debug, Default)]
pub struct ConnectionCaller(Mutex<Option<Arc<AtomicUsize>>>);

impl ConnectionCaller {
    /// The caller of a connection that has so many calls in progress.
    #[cfg(test)]
    pub(crate) fn with_calls(calls: usize) -> Self {
        Self(Mutex::new(Some(Arc::new(AtomicUsize::new(calls)))))
    }

    /// Notes the caller, by the counter of its calls in progress.
    pub(super) fn note(&self, calls: &Arc<AtomicUsize>) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.as_ref().is_some_and(|known| Arc::ptr_eq(known, calls)) {
            *known = Some(Arc::clone(calls));
        }
    }

    /// The counter of its calls in progress, once it is known.
    pub(super) fn calls(&self) -> Option<Arc<AtomicUsize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
