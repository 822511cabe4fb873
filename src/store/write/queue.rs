//! Admission to the writer's queue: how many writes may wait, and how much memory they may take.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// How much may wait for the writer. More is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueLimits {
    /// The most writes.
    pub writes_max: usize,
    /// The most bytes of their requests together, and of the memory that they hold until they are made.
    pub bytes_max: usize,
}

impl Default for QueueLimits {
    fn default() -> Self {
        Self { writes_max: 4096, bytes_max: 128 << 20 }
    }
}

/// The queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "too many writes are waiting: at most {} writes with {} bytes together may wait; try again later",
    .0.writes_max, .0.bytes_max
)]
pub struct QueueFull(pub QueueLimits);

/// The writes that wait.
#[derive(Debug)]
pub(in crate::store) struct Queue {
    limits: QueueLimits,
    writes: AtomicUsize,
    bytes: AtomicUsize,
    refused: AtomicU64,
}

impl Queue {
    pub(in crate::store) fn new(limits: QueueLimits) -> Arc<Self> {
        Arc::new(Self {
            limits,
            writes: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
        })
    }

    /// Admits a write of so many bytes. A single write larger than the limit is admitted when no other write waits.
    pub(in crate::store) fn admit(self: &Arc<Self>, bytes: usize) -> Result<QueueSlot, QueueFull> {
        let writes_before = self.writes.fetch_add(1, Ordering::Relaxed);
        let bytes_before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        // Counted before the check, so that two writes cannot both get the last slot. Dropping the slot counts it back.
        let slot = QueueSlot { queue: Arc::clone(self), bytes, held: 0 };

        let has_room = writes_before < self.limits.writes_max
            && (writes_before == 0 || bytes_before.saturating_add(bytes) <= self.limits.bytes_max);
        if has_room { Ok(slot) } else { Err(self.refuse()) }
    }

    /// How many writes were refused.
    pub(in crate::store) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    fn refuse(&self) -> QueueFull {
        self.refused.fetch_add(1, Ordering::Relaxed);
        QueueFull(self.limits)
    }

    /// How many writes wait or are being made, and the bytes that they hold.
    pub(in crate::store) fn load(&self) -> (u64, u64) {
        let number =
            |count: &AtomicUsize| u64::try_from(count.load(Ordering::Relaxed)).unwrap_or(u64::MAX);
        (number(&self.writes), number(&self.bytes))
    }
}

/// A slot in the queue, free again when this is dropped.
#[derive(Debug)]
pub struct QueueSlot {
    queue: Arc<Queue>,
    bytes: usize,
    /// The memory that the write holds besides its request.
    held: usize,
}

impl QueueSlot {
    /// Counts the memory that the write holds until it is made, and no longer what it held before. Refuses when all writes together
    /// then hold too much; a single write may hold any amount while no other one waits.
    pub fn hold(&mut self, held: usize) -> Result<(), QueueFull> {
        let limits = self.queue.limits;
        self.queue.bytes.fetch_sub(self.held, Ordering::Relaxed);
        let bytes_before = self.queue.bytes.fetch_add(held, Ordering::Relaxed);
        // A refused amount is counted until the slot is dropped.
        self.held = held;

        let is_alone = self.queue.writes.load(Ordering::Relaxed) <= 1;
        let has_room = bytes_before.saturating_add(held) <= limits.bytes_max;
        if held == 0 || is_alone || has_room { Ok(()) } else { Err(self.queue.refuse()) }
    }
}

impl Drop for QueueSlot {
    fn drop(&mut self) {
        self.queue.writes.fetch_sub(1, Ordering::Relaxed);
        self.queue.bytes.fetch_sub(self.bytes + self.held, Ordering::Relaxed);
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

    #[test]
    fn what_waiting_writes_hold_counts_until_they_go() {
        let queue = Queue::new(QueueLimits { writes_max: 9, bytes_max: 100 });
        let mut first = queue.admit(10).unwrap();
        first.hold(1_000).unwrap();
        queue.admit(0).unwrap_err();

        first.hold(50).unwrap();
        let mut second = queue.admit(10).unwrap();
        second.hold(40).unwrap_err();
        second.hold(30).unwrap();
        drop(first);
        second.hold(90).unwrap();
        drop(second);
        assert_eq!(queue.bytes.load(Ordering::Relaxed), 0);
    }
}
