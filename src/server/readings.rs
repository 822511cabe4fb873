//! What the parts of a server say of themselves at a scrape.

use super::registry::Registry;
use crate::api::Workers;
use crate::engine::CacheStatistics;
use crate::metrics::{Reading, ReadingKind, ReadingSource, Sample};
use crate::store::StoreStatistics;
use std::sync::Arc;

/// Readings of a server's parts. While its database is closed, those of the database are missing.
pub(super) fn of_server(workers: &Arc<Workers>, registry: &Arc<Registry>) -> ReadingSource {
    let (workers, registry) = (Arc::clone(workers), Arc::clone(registry));
    Box::new(move || {
        let mut readings = vec![build()];
        readings.extend(connections(&registry));

        readings.push(Reading::gauge(
            "kilwa_writes_stopped",
            "1 while writes are refused because one could not be committed, otherwise 0",
            u64::from(workers.writes_stopped().is_some()),
        ));
        let statistics = workers.statistics();
        if let Some((store_statistics, cache_statistics)) = statistics {
            readings.extend(store(&store_statistics));
            readings.extend(cache(&cache_statistics));
        }
        readings.push(Reading::counter(
            "kilwa_change_log_reads",
            "Reads of the change log; watchers at the head share one",
            workers.change_log_reads(),
        ));
        readings
    })
}

fn build() -> Reading {
    let labels = vec![("version", env!("CARGO_PKG_VERSION").to_owned())];
    Reading {
        name: "kilwa_build_info",
        help: "1, with the version as a label",
        kind: ReadingKind::Gauge,
        samples: vec![Sample { labels, value: 1 }],
    }
}

fn connections(registry: &Registry) -> [Reading; 2] {
    let number = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
    [
        Reading::gauge(
            "kilwa_connections",
            "Open connections of the gRPC listener",
            number(registry.open()),
        ),
        Reading::gauge(
            "kilwa_connections_max",
            "The most connections that may be open",
            number(registry.max()),
        ),
    ]
}

fn store(statistics: &StoreStatistics) -> [Reading; 2] {
    [
        Reading::gauge(
            "kilwa_write_queue_writes",
            "Writes that wait for the writer or are being made",
            statistics.queued_writes,
        ),
        Reading::gauge(
            "kilwa_write_queue_bytes",
            "Bytes that waiting writes hold",
            statistics.queued_bytes,
        ),
    ]
}

fn cache(statistics: &CacheStatistics) -> [Reading; 4] {
    [
        Reading::gauge(
            "kilwa_check_cache_entries",
            "Answers in the cache of checks",
            statistics.entries,
        ),
        Reading::gauge(
            "kilwa_check_cache_bytes",
            "Bytes in the cache of checks, about",
            statistics.bytes,
        ),
        Reading::gauge(
            "kilwa_check_cache_max_bytes",
            "The most bytes in the cache of checks",
            statistics.bytes_max,
        ),
        Reading::counter(
            "kilwa_check_cache_evictions",
            "Answers that were dropped from the cache of checks to make room",
            statistics.evictions,
        ),
    ]
}
