//! How many calls of one kind each caller may have open, which last as long as their clients like.

use crate::api::call_access::caller_name;
use crate::api::overload::CallerLoads;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;
use tonic::Request;
use tonic::codegen::http::header::AUTHORIZATION;

/// The open calls of one kind, by caller.
#[derive(Debug)]
pub(crate) struct CallerSlots {
    max: u32,
    callers: CallerLoads,
}

/// An open call; it counts until this is dropped.
#[derive(Debug)]
pub(crate) struct CallerSlot {
    slots: Arc<CallerSlots>,
    calls: Arc<AtomicUsize>,
}

impl CallerSlots {
    /// No open calls, of which each caller may have `max`.
    pub(crate) fn new(max: u32) -> Arc<Self> {
        Arc::new(Self { max, callers: CallerLoads::default() })
    }

    /// The most calls of one caller.
    pub(crate) fn max(&self) -> u32 {
        self.max
    }

    /// A slot for a call; none when its caller has all that it may have.
    pub(crate) fn take<T>(self: &Arc<Self>, request: &Request<T>) -> Option<CallerSlot> {
        // As the limiter of calls distinguishes callers: by name, and by key where callers have no names.
        let key = request.metadata().get(AUTHORIZATION.as_str());
        let key = key.map_or(&[][..], |key| key.as_encoded_bytes());
        match caller_name(request) {
            Some(name) => self.take_for(name.as_bytes()),
            None => self.take_for(key),
        }
    }

    fn take_for(self: &Arc<Self>, caller: &[u8]) -> Option<CallerSlot> {
        self.callers.prune();
        let max = usize::try_from(self.max).unwrap_or(usize::MAX);
        let calls = self.callers.of(caller);
        if !self.callers.begin_below(&calls, max) {
            return None;
        }
        Some(CallerSlot { slots: Arc::clone(self), calls })
    }
}

impl Drop for CallerSlot {
    fn drop(&mut self) {
        self.slots.callers.end(&self.calls);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_caller_has_slots_of_its_own() {
        let slots = CallerSlots::new(2);
        let taken: Vec<_> = (0..3).map(|_| slots.take_for(b"a")).collect();
        assert_eq!(taken.iter().flatten().count(), 2);
        let other = slots.take_for(b"b");
        assert!(other.is_some());
        drop((taken, other));
        assert!(slots.take_for(b"a").is_some());
    }
}
