//! Totals of garbage collections.

use crate::store::CollectionStats;
use std::time::Duration;

/// What the garbage collections of a server have dropped since it started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectionTotals {
    /// Collections that succeeded.
    pub succeeded: u64,
    /// Collections that failed.
    pub failed: u64,
    /// Time that all of them took.
    pub duration: Duration,
    /// What was dropped.
    pub dropped: CollectionStats,
}

impl CollectionTotals {
    /// Adds a collection that took this time; `None` when it failed.
    pub(crate) fn add(&mut self, collected: Option<&CollectionStats>, duration: Duration) {
        self.duration += duration;
        let Some(collected) = collected else {
            self.failed += 1;
            return;
        };
        self.succeeded += 1;
        self.dropped.changes += collected.changes;
        self.dropped.deleted += collected.deleted;
        self.dropped.expired += collected.expired;
        self.dropped.schemas += collected.schemas;
    }
}
