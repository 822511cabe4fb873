//! Admission to the writer's queue: how many writes may wait, and how much memory they may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How much may wait for the writer. Whatever is more is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// The most writes.
    pub writes_max: usize,
    /// The most bytes of their requests together.
    pub bytes_max: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { writes_max: 4096, bytes_max: 128 << 20 }
    }
}

/// The queue has no room for a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "too many writes are waiting: at most {} writes with {} bytes together may wait; try again later",
    .0.writes_max, .0.bytes_max
)]
pub struct QueueFull(pub QueueLimits);

/// What waits at present.
#[derive(Debug)]
pub(super) struct Queue {
    limits: QueueLimits,
    writes: AtomicUsize,
    bytes: AtomicUsize,
}

impl Queue {
    pub(super) fn new(limits: QueueLimits) -> Arc<Self> {
        Arc::new(Self { limits, writes: AtomicUsize::new(0), bytes: AtomicUsize::new(0) })
    }

    /// A place for a write of so many bytes. A single write larger than the bound is let in when nothing else waits.
    pub(super) fn admit(self: &Arc<Self>, bytes: usize) -> Result<QueueSlot, QueueFull> {
        let writes_before = self.writes.fetch_add(1, Ordering::Relaxed);
        let bytes_before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        // Dropped on refusal, it takes back what was counted.
        let slot = QueueSlot { queue: Arc::clone(self), bytes };

        let has_room = writes_before < self.limits.writes_max
            && (writes_before == 0 || bytes_before.saturating_add(bytes) <= self.limits.bytes_max);
        if has_room { Ok(slot) } else { Err(QueueFull(self.limits)) }
    }
}

/// A place in the queue, free again when this is dropped.
#[derive(Debug)]
pub struct QueueSlot {
    queue: Arc<Queue>,
    bytes: usize,
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        self.queue.writes.fetch_sub(1, Ordering::Relaxed);
        self.queue.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_and_their_bytes_are_bounded_and_leave_room_when_they_go() {
        let queue = Queue::new(QueueLimits { writes_max: 2, bytes_max: 100 });
        let first = queue.admit(60).unwrap();
        queue.admit(60).unwrap_err();
        let second = queue.admit(40).unwrap();
        queue.admit(0).unwrap_err();
        drop(first);
        queue.admit(60).unwrap();
        drop(second);
        queue.admit(1_000).unwrap();
    }
}
