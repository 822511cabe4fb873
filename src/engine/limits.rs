//! Limits on the work of a query, and the work that was done.

use std::time::Duration;

/// Returns the time elapsed since a fixed starting point.
pub type Stopwatch<'s> = &'s dyn Fn() -> Duration;

/// The work that was done for a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Visited nodes: relations and permissions of objects that were evaluated.
    pub visits: u64,
    /// Calls to the relationship reader.
    pub reads: u64,
    /// Evaluation steps in caveat expressions.
    pub caveat_steps: u64,
    /// Intermediate results taken from the shared cache.
    pub cache_hits: u64,
    /// Intermediate results that were looked for in the shared cache without success.
    pub cache_misses: u64,
    /// The longest path that was followed, in relations and permissions.
    pub depth: u64,
}

impl Statistics {
    /// Adds the work of another query.
    pub(super) fn add(&mut self, other: &Self) {
        self.visits += other.visits;
        self.reads += other.reads;
        self.caveat_steps += other.caveat_steps;
        self.cache_hits += other.cache_hits;
        self.cache_misses += other.cache_misses;
        self.depth = self.depth.max(other.depth);
    }
}

/// Limits on the work of one query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Maximum length of a path from the resource to the subject, in relations and permissions; `None` for no limit.
    pub depth_max: Option<u32>,
    /// Maximum number of visited nodes.
    pub visits_max: u64,
    /// Maximum number of calls to the relationship reader.
    pub reads_max: u64,
    /// Maximum number of subjects held in memory at once, in an expanded tree or in a window of a list.
    pub subjects_max: u64,
    /// Maximum number of evaluation steps in all caveat expressions together.
    pub caveat_steps_max: u64,
    /// Maximum memory of a lookup for its reached objects, in bytes.
    pub lookup_bytes_max: u32,
    /// Maximum duration; the queries of one [`check_each`](super::check_each) share it. `None` for no limit.
    pub time_max: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: None,
            visits_max: 1_000_000,
            reads_max: 4_000_000,
            subjects_max: 1_000_000,
            caveat_steps_max: 100_000_000,
            lookup_bytes_max: 256 << 20,
            time_max: Some(Duration::from_mins(1)),
        }
    }
}

impl Limits {
    /// The stricter of these limits and others, limit by limit.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        // `Option::min` would treat `None` as the smallest value, but here it stands for no limit.
        let depth_max = self.depth_max.into_iter().chain(others.depth_max).min();
        let time_max = self.time_max.into_iter().chain(others.time_max).min();
        Self {
            depth_max,
            visits_max: self.visits_max.min(others.visits_max),
            reads_max: self.reads_max.min(others.reads_max),
            subjects_max: self.subjects_max.min(others.subjects_max),
            caveat_steps_max: self.caveat_steps_max.min(others.caveat_steps_max),
            lookup_bytes_max: self.lookup_bytes_max.min(others.lookup_bytes_max),
            time_max,
        }
    }
}
