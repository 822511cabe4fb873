//! Limits on the work of a query, and the work that was done.

use std::time::Duration;

/// Tells how much time has passed since some moment that stays the same.
pub type Stopwatch<'s> = &'s dyn Fn() -> Duration;

/// What an answer cost.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Relations and permissions of objects that were looked into.
    pub visits: u64,
    /// Calls to the reader.
    pub reads: u64,
    /// Steps taken in the expressions of caveats.
    pub caveat_steps: u64,
    /// Answers of sub-questions taken from the shared cache.
    pub cache_hits: u64,
    /// The longest way walked, in relations and permissions.
    pub depth: u64,
}

impl Statistics {
    /// Adds what another answer cost.
    pub(super) fn add(&mut self, other: &Self) {
        self.visits += other.visits;
        self.reads += other.reads;
        self.caveat_steps += other.caveat_steps;
        self.cache_hits += other.cache_hits;
        self.depth = self.depth.max(other.depth);
    }
}

/// How much one question may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest way from the resource to the subject, in relations and permissions; `None` for no limit of its own.
    pub depth_max: Option<u32>,
    /// The most relations and permissions of objects that are looked into.
    pub visits_max: u64,
    /// The most calls to the reader.
    pub reads_max: u64,
    /// The most subjects that have to be in memory together, in a tree or for a part of a list.
    pub subjects_max: u64,
    /// The most steps that all evaluations of caveats may take together.
    pub caveat_steps_max: u64,
    /// The most memory that a lookup may need for the objects on its way, in bytes.
    pub lookup_bytes_max: u32,
    /// How long it may take; the questions of one [`check_each`](super::check_each) together. `None` for no limit.
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
    /// What neither these limits nor others exceed.
    #[must_use]
    pub fn and(self, others: Self) -> Self {
        // For an `Option`, none is less than any, and here it stands for no limit.
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
