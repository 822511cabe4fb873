//! Evaluated checks: their results, the work that they took, and the use of the cache.

use super::histogram::NumberHistogram;
use super::shards::Shards;
use crate::engine::{CheckResult, Statistics};
use crate::relationship::Permissionship;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// One histogram of the counters.
type HistogramOf = fn(&EvaluationCounters) -> &NumberHistogram;

/// Checks that were evaluated, each item of a bulk call by itself, and lookups.
#[derive(Debug, Default)]
pub struct EvaluationMetrics(Shards<EvaluationCounters>);

#[derive(Debug, Default)]
struct EvaluationCounters {
    has: AtomicU64,
    has_not: AtomicU64,
    conditional: AtomicU64,
    depth: NumberHistogram,
    visits: NumberHistogram,
    reads: NumberHistogram,
    cache_hits: AtomicU64,
    cache_misses: AtomicU64,
}

impl EvaluationMetrics {
    /// Counts a check.
    pub fn record(&self, checked: &CheckResult) {
        self.0.count(|counters| {
            let count = match checked.permissionship {
                Permissionship::HasPermission => &counters.has,
                Permissionship::NoPermission => &counters.has_not,
                Permissionship::Conditional(_) => &counters.conditional,
            };
            count.fetch_add(1, Ordering::Relaxed);
            let Statistics { depth, visits, reads, .. } = checked.statistics;
            counters.depth.record(depth);
            counters.visits.record(visits);
            counters.reads.record(reads);
            counters.record_cache(&checked.statistics);
        });
    }

    /// Counts only how the cache served a query that is no check.
    pub fn record_cache(&self, statistics: &Statistics) {
        self.0.count(|counters| counters.record_cache(statistics));
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let total = |counter: fn(&EvaluationCounters) -> &AtomicU64| {
            let sum = self.0.sum(|counters| counter(counters).load(Ordering::Relaxed));
            ConstCounter::new(sum)
        };
        let help = "Evaluated checks by their result; named as in SpiceDB";
        let mut results =
            encoder.encode_descriptor("check_permissionship", help, None, MetricType::Counter)?;
        for (name, count) in [
            ("HAS_PERMISSION", total(|counters| &counters.has)),
            ("NO_PERMISSION", total(|counters| &counters.has_not)),
            ("CONDITIONAL_PERMISSION", total(|counters| &counters.conditional)),
        ] {
            let labels = [("permissionship", name)];
            count.encode(results.encode_family(&labels)?)?;
        }

        let histograms: [(_, _, HistogramOf); 3] = [
            (
                "kilwa_check_depth",
                "Longest path that a check followed, in relations and permissions",
                |counters| &counters.depth,
            ),
            ("kilwa_check_visits", "Relations and permissions that a check visited", |counters| {
                &counters.visits
            }),
            ("kilwa_check_reads", "Reads of relationships by a check", |counters| &counters.reads),
        ];
        for (name, help, histogram) in histograms {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Histogram)?;
            NumberHistogram::encode(self.0.all().map(histogram), metric)?;
        }

        for (name, help, count) in [
            (
                "kilwa_check_cache_hits",
                "Intermediate results that were found in the cache",
                total(|counters| &counters.cache_hits),
            ),
            (
                "kilwa_check_cache_misses",
                "Intermediate results that were looked for in the cache without success",
                total(|counters| &counters.cache_misses),
            ),
        ] {
            count.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        Ok(())
    }
}

impl EvaluationCounters {
    fn record_cache(&self, statistics: &Statistics) {
        for (count, added) in [
            (&self.cache_hits, statistics.cache_hits),
            (&self.cache_misses, statistics.cache_misses),
        ] {
            if added > 0 {
                count.fetch_add(added, Ordering::Relaxed);
            }
        }
    }
}
