//! What became of the spans.

use std::sync::atomic::{AtomicU64, Ordering};

/// How many spans there were, by what became of them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanTotals {
    /// The collector has them.
    pub exported: u64,
    /// The collector did not take them.
    pub failed: u64,
    /// The queue was full.
    pub dropped: u64,
}

#[derive(Debug, Default)]
pub(super) struct SpanCounts {
    pub(super) exported: AtomicU64,
    pub(super) failed: AtomicU64,
    pub(super) dropped: AtomicU64,
}

impl SpanCounts {
    /// The counts as they are now.
    pub(super) fn totals(&self) -> SpanTotals {
        let [exported, failed, dropped] = [&self.exported, &self.failed, &self.dropped]
            .map(|count| count.load(Ordering::Relaxed));
        SpanTotals { exported, failed, dropped }
    }
}
