//! The calls of a connection that wait for their first poll.

use crate::api::CallTurn;
use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// A call until its response has been sent.
pub(super) type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Calls in the order of their arrival.
#[derive(Default)]
pub(super) struct CallQueue {
    calls: VecDeque<QueuedCall>,
}

struct QueuedCall {
    call: Call,
    arrived: Instant,
}

impl CallQueue {
    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Adds calls that have arrived now.
    pub(super) fn add(&mut self, calls: Vec<Call>, now: Instant) {
        self.calls.extend(calls.into_iter().map(|call| QueuedCall { call, arrived: now }));
    }

    /// How long the oldest and the newest call have waited; `None` without calls.
    pub(super) fn waited(&self, now: Instant) -> Option<(Duration, Duration)> {
        let waited = |call: &QueuedCall| now.saturating_duration_since(call.arrived);
        Some((waited(self.calls.front()?), waited(self.calls.back()?)))
    }

    /// Takes the call whose turn it is.
    pub(super) fn take(&mut self, turn: CallTurn) -> Option<Call> {
        let queued = match turn {
            CallTurn::Oldest | CallTurn::Late => self.calls.pop_front(),
            CallTurn::Newest => self.calls.pop_back(),
            CallTurn::None => None,
        };
        Some(queued?.call)
    }
}
