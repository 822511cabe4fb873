//! Evaluated checks: their results, the work that they took, and the use of the cache.

use super::histogram::NumberHistogram;
use crate::engine::{CheckResult, Statistics};
use crate::relationship::Permissionship;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric as _};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

/// Checks that were evaluated, each item of a bulk call by itself, and lookups.
#[derive(Debug, Default)]
pub struct EvaluationMetrics {
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
        let count = match checked.permissionship {
            Permissionship::HasPermission => &self.has,
            Permissionship::NoPermission => &self.has_not,
            Permissionship::Conditional(_) => &self.conditional,
        };
        count.fetch_add(1, Ordering::Relaxed);
        let Statistics { depth, visits, reads, .. } = checked.statistics;
        self.depth.record(depth);
        self.visits.record(visits);
        self.reads.record(reads);
        self.record_cache(&checked.statistics);
    }

    /// Counts only how the cache served a query that is no check.
    pub fn record_cache(&self, statistics: &Statistics) {
        for (count, added) in [
            (&self.cache_hits, statistics.cache_hits),
            (&self.cache_misses, statistics.cache_misses),
        ] {
            if added > 0 {
                count.fetch_add(added, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn encode(&self, encoder: &mut DescriptorEncoder<'_>) -> fmt::Result {
        let help = "Evaluated checks by their result; named as in SpiceDB";
        let mut results =
            encoder.encode_descriptor("check_permissionship", help, None, MetricType::Counter)?;
        for (name, count) in [
            ("HAS_PERMISSION", &self.has),
            ("NO_PERMISSION", &self.has_not),
            ("CONDITIONAL_PERMISSION", &self.conditional),
        ] {
            let labels = [("permissionship", name)];
            let count = ConstCounter::new(count.load(Ordering::Relaxed));
            count.encode(results.encode_family(&labels)?)?;
        }

        for (name, help, histogram) in [
            (
                "kilwa_check_depth",
                "Longest path that a check followed, in relations and permissions",
                &self.depth,
            ),
            ("kilwa_check_visits", "Relations and permissions that a check visited", &self.visits),
            ("kilwa_check_reads", "Reads of relationships by a check", &self.reads),
        ] {
            histogram.encode(encoder.encode_descriptor(
                name,
                help,
                None,
                MetricType::Histogram,
            )?)?;
        }

        for (name, help, count) in [
            (
                "kilwa_check_cache_hits",
                "Intermediate results that were found in the cache",
                &self.cache_hits,
            ),
            (
                "kilwa_check_cache_misses",
                "Intermediate results that were looked for in the cache without success",
                &self.cache_misses,
            ),
        ] {
            let count = ConstCounter::new(count.load(Ordering::Relaxed));
            count.encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)?;
        }
        Ok(())
    }
}
