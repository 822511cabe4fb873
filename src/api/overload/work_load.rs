//! The work that the limit of the overload protection is held against.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::Notify;

/// How many calls wait for their first answer, and how many pieces of work there are for those that have answered already.
#[derive(Debug)]
pub(super) struct WorkLoad {
    in_progress: AtomicUsize,
    /// How many may be in progress before others wait or are refused.
    limit: AtomicUsize,
    /// The most in this window.
    peak: AtomicUsize,
    /// Those that have ended in this window.
    ended: AtomicUsize,
    /// The connections that wait until there is less.
    waiting: AtomicUsize,
    less: Notify,
}

/// A call or a piece of work that counts as in progress until this is dropped.
#[derive(Debug)]
pub(crate) struct WorkInProgress(Arc<WorkLoad>);

impl WorkLoad {
    /// Nothing in progress, with a limit.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            in_progress: AtomicUsize::new(0),
            limit: AtomicUsize::new(limit),
            peak: AtomicUsize::new(0),
            ended: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            less: Notify::new(),
        }
    }

    /// How many may be in progress.
    pub(super) fn limit(&self) -> usize {
        self.limit.load(Ordering::Relaxed)
    }

    /// Sets how many may be in progress.
    pub(super) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Whether as many are in progress as may be.
    pub(super) fn is_full(&self) -> bool {
        self.in_progress() >= self.limit()
    }

    /// Counts a piece of work.
    pub(super) fn begin(self: &Arc<Self>) -> WorkInProgress {
        let count = self.in_progress.fetch_add(1, Ordering::Relaxed) + 1;
        self.peak.fetch_max(count, Ordering::Relaxed);
        WorkInProgress(Arc::clone(self))
    }

    /// The pieces of work that are in progress.
    pub(super) fn in_progress(&self) -> usize {
        self.in_progress.load(Ordering::Relaxed)
    }

    /// The most that were in progress, and those that have ended, since this was called last.
    pub(super) fn take_peak_and_ended(&self) -> (usize, usize) {
        let peak = self.peak.swap(self.in_progress(), Ordering::Relaxed);
        (peak, self.ended.swap(0, Ordering::Relaxed))
    }

    /// Waits until a piece of work has ended while it was full. Those that wait get their turn one after the other.
    pub(super) async fn until_less(&self) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        self.less.notified().await;
    }
}

impl Drop for WorkInProgress {
    fn drop(&mut self) {
        let Self(load) = self;
        let before = load.in_progress.fetch_sub(1, Ordering::Relaxed);
        load.ended.fetch_add(1, Ordering::Relaxed);
        // A connection that waits for something else need not be woken for each call that ends.
        if before >= load.limit() && load.waiting.load(Ordering::Relaxed) > 0 {
            load.less.notify_one();
        }
    }
}

/// Counts as waiting until it is dropped.
struct Waiting<'w>(&'w AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}
