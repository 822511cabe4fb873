//! Limits that were reached: how often each of them refused, ended or held back something.

use std::sync::atomic::{AtomicU64, Ordering};

/// A limit that a caller can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReachedLimit {
    /// Calls in progress on one connection: the client holds back further ones.
    Streams,
    /// Open watches of one caller.
    Watches,
    /// Changes that wait for the client of a watch.
    WatchQueue,
    /// Open imports of one caller.
    Imports,
    /// The time for which the client of an import sends nothing.
    ImportIdle,
    /// The size of a message, on the wire or decoded.
    MessageSize,
    /// The memory of all requests in progress.
    Memory,
    /// The size of a body of HTTP.
    HttpBody,
    /// The size of all bodies of HTTP in progress.
    HttpBodies,
    /// The time for which the client sends nothing of a body of HTTP.
    HttpBodyIdle,
    /// The size of the headers of HTTP.
    HttpHeaders,
    /// The levels of the JSON in a body of HTTP.
    JsonDepth,
}

impl ReachedLimit {
    const ALL: [Self; 12] = [
        Self::Streams,
        Self::Watches,
        Self::WatchQueue,
        Self::Imports,
        Self::ImportIdle,
        Self::MessageSize,
        Self::Memory,
        Self::HttpBody,
        Self::HttpBodies,
        Self::HttpBodyIdle,
        Self::HttpHeaders,
        Self::JsonDepth,
    ];

    /// The value of its label.
    fn label(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::Watches => "watches",
            Self::WatchQueue => "watch_queue",
            Self::Imports => "imports",
            Self::ImportIdle => "import_idle",
            Self::MessageSize => "message_size",
            Self::Memory => "memory",
            Self::HttpBody => "http_body",
            Self::HttpBodies => "http_bodies",
            Self::HttpBodyIdle => "http_body_idle",
            Self::HttpHeaders => "http_headers",
            Self::JsonDepth => "json_depth",
        }
    }
}

/// How often each limit was reached.
#[derive(Debug, Default)]
pub struct LimitMetrics([AtomicU64; ReachedLimit::ALL.len()]);

impl LimitMetrics {
    /// Counts that a limit was reached.
    pub fn record(&self, limit: ReachedLimit) {
        let counts = ReachedLimit::ALL.iter().zip(&self.0);
        for (_, count) in counts.filter(|(counted, _)| **counted == limit) {
            count.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// How often each limit was reached, by the value of its label.
    pub fn counts(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = ReachedLimit::ALL.iter().zip(&self.0);
        counts.map(|(limit, count)| (limit.label(), count.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_limit_has_a_count_and_a_label_of_its_own() {
        let limits = LimitMetrics::default();
        for limit in ReachedLimit::ALL {
            limits.record(limit);
        }
        assert!(limits.counts().all(|(_, count)| count == 1));
        let mut labels: Vec<_> = limits.counts().map(|(label, _)| label).collect();
        labels.sort_unstable();
        labels.dedup();
        assert_eq!(labels.len(), ReachedLimit::ALL.len());
    }
}
