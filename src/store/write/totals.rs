//! What the writer has committed since the store was opened.

use std::sync::atomic::{AtomicU64, Ordering};

/// Totals of the writer.
#[derive(Debug, Default)]
pub(in crate::store) struct WriterTotals {
    commits: AtomicU64,
    writes: AtomicU64,
}

impl WriterTotals {
    /// Counts a committed group of so many writes.
    pub(in crate::store) fn add(&self, writes: usize) {
        self.commits.fetch_add(1, Ordering::Relaxed);
        let writes = u64::try_from(writes).unwrap_or(u64::MAX);
        self.writes.fetch_add(writes, Ordering::Relaxed);
    }

    /// The commits, and the writes in them.
    pub(in crate::store) fn read(&self) -> (u64, u64) {
        (self.commits.load(Ordering::Relaxed), self.writes.load(Ordering::Relaxed))
    }
}
