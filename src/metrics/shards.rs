//! Counters in several copies, so that threads that count the same do not wait for one another's cache lines.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many copies there are at most. More threads than that share them.
const SHARDS: usize = 16;

/// Copies of counters, each for some of the threads. A copy is made when one of its threads counts for the first time.
#[derive(Debug)]
pub(super) struct Shards<T>([OnceLock<Box<Aligned<T>>>; SHARDS]);

/// Shares no cache line with anything else, nor one that is fetched along with it.
#[derive(Debug, Default)]
#[repr(align(128))]
struct Aligned<T>(T);

impl<T: Default> Shards<T> {
    /// Counts with the copy of this thread.
    pub(super) fn count(&self, count: impl FnOnce(&T)) {
        thread_local! {
            static SHARD: usize = {
                static NEXT: AtomicUsize = AtomicUsize::new(0);
                NEXT.fetch_add(1, Ordering::Relaxed) % SHARDS
            };
        }
        if let Some(shard) = self.0.get(SHARD.with(|shard| *shard)) {
            let Aligned(counters) = &**shard.get_or_init(Box::default);
            count(counters);
        }
    }

    /// All copies so far.
    pub(super) fn all(&self) -> impl Iterator<Item = &T> {
        self.0.iter().filter_map(OnceLock::get).map(|shard| &shard.0)
    }

    /// The sum of a counter over all copies.
    pub(super) fn sum(&self, counter: impl Fn(&T) -> u64) -> u64 {
        self.all().map(counter).fold(0, u64::wrapping_add)
    }
}

impl<T> Default for Shards<T> {
    fn default() -> Self {
        Self([const { OnceLock::new() }; SHARDS])
    }
}
