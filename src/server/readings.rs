//! What the parts of a server say of themselves at a scrape.

use super::registry::Registry;
use super::reload::OutdatedCount;
use crate::api::{ApiOptions, CollectionTotals, Workers};
use crate::engine::CacheStatistics;
use crate::metrics::{CallMetrics, Reading, ReadingSource};
use crate::store::{DiskSpace, RocksStatistics, StoreStatistics};
use crate::traces::{SpanTotals, TraceRecorder};
use std::sync::Arc;

/// Readings of a server's parts. While its database is closed, those of the database are missing.
pub(super) fn of_server(
    workers: &Arc<Workers>,
    registry: &Arc<Registry>,
    metrics: &Arc<CallMetrics>,
) -> ReadingSource {
    let (workers, registry) = (Arc::clone(workers), Arc::clone(registry));
    let metrics = Arc::clone(metrics);
    Box::new(move || {
        let mut readings = vec![build()];
        readings.extend(connections(&registry));
        readings.extend(calls(&workers));
        readings.extend(threads(&workers));
        let mut limits = limits(&workers, &registry, &metrics);

        if let Some((store, checks)) = workers.statistics() {
            readings.extend(writer(&store));
            readings.extend(store.disk.iter().flat_map(disk));
            readings.extend(rocksdb_memory(&store.rocksdb));
            readings.extend(rocksdb_files(&store.rocksdb));
            readings.extend(rocksdb_levels(&store.rocksdb));
            readings.extend(cache(&checks));
            limits = limits.with(&[("limit", "write_queue")], store.refused_writes);
        }
        readings.push(limits);
        readings.push(closings(&metrics));
        readings.extend(collections(&workers.collections()));
        readings
    })
}

/// Readings of what is recorded of calls: the audit log and the traces, where there are some.
pub(super) fn of_records(options: &ApiOptions) -> ReadingSource {
    let (audit, traces) = (options.audit.clone(), options.traces.clone());
    Box::new(move || {
        let dropped = audit.as_ref().map(|audit| {
            let help = "Records of the audit log that were dropped because its queue was full";
            Reading::counter("kilwa_audit_dropped", help, audit.dropped())
        });
        dropped.into_iter().chain(traces.as_ref().map(spans)).collect()
    })
}

/// Readings of the files that are read again while the server runs.
pub(super) fn of_files(outdated: OutdatedCount) -> ReadingSource {
    Box::new(move || {
        let help = "Access, mapping and certificate files that changed and could not be used, so that what they had before stays in use; the log says why";
        vec![Reading::gauge("kilwa_files_not_reloaded", help, outdated.get())]
    })
}

fn spans(traces: &TraceRecorder) -> Reading {
    let SpanTotals { exported, failed, dropped } = traces.totals();
    let help = "Spans of sampled calls: exported, not taken by the collector, or dropped because too many waited";
    Reading::counter("kilwa_spans", help, exported)
        .labelled(&[("result", "exported")])
        .with(&[("result", "failed")], failed)
        .with(&[("result", "dropped")], dropped)
}

fn build() -> Reading {
    Reading::gauge("kilwa_build_info", "1, with the version as a label", 1)
        .labelled(&[("version", env!("CARGO_PKG_VERSION"))])
}

fn connections(registry: &Registry) -> [Reading; 2] {
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

fn calls(workers: &Workers) -> [Reading; 4] {
    let overload = workers.overload_status();
    [
        Reading::gauge(
            "kilwa_calls_in_progress",
            "Calls in progress, without watches",
            number(overload.calls),
        ),
        Reading::gauge(
            "kilwa_calls_max",
            "Calls in progress beyond which others are refused; follows the load",
            number(overload.limit),
        ),
        Reading::gauge(
            "kilwa_writes_stopped",
            "1 while writes are refused, because one could not be committed, because the data folder is lost, or because of too little space or too few file descriptors, otherwise 0",
            u64::from(workers.writes_stopped().is_some() || workers.shortage().is_some()),
        ),
        Reading::counter(
            "kilwa_change_log_reads",
            "Reads of the change log; watchers at the head share one",
            workers.change_log_reads(),
        ),
    ]
}

fn threads(workers: &Workers) -> [Reading; 2] {
    let reading = |name, help| Reading { samples: Vec::new(), ..Reading::gauge(name, help, 0) };
    let busy = "Threads that work on requests, by kind of work, also for clients that have gone";
    let max = "The most threads that may work on requests, by kind of work";
    let start =
        [reading("kilwa_worker_threads_busy", busy), reading("kilwa_worker_threads_max", max)];
    workers.busy_threads().into_iter().fold(start, |[all_busy, all_max], (kind, busy, max)| {
        let labels = [("kind", kind)];
        [all_busy.with(&labels, number(busy)), all_max.with(&labels, max.into())]
    })
}

/// Those that a closed database has too.
fn limits(workers: &Workers, registry: &Registry, metrics: &CallMetrics) -> Reading {
    let help = "Calls, connections and other things that were refused, ended or held back because of a limit, by limit";
    let limits = Reading::counter("kilwa_limits_reached", help, workers.overload_status().refused)
        .labelled(&[("limit", "calls")])
        .with(&[("limit", "connections")], registry.limited())
        .with(&[("limit", "work")], workers.limited_queries());
    metrics
        .limits()
        .counts()
        .fold(limits, |limits, (label, count)| limits.with(&[("limit", label)], count))
}

/// Connections that were closed.
fn closings(metrics: &CallMetrics) -> Reading {
    let help =
        "Connections of the gRPC and the HTTP listener that the server closed of itself, by reason";
    let none =
        Reading { samples: Vec::new(), ..Reading::counter("kilwa_connections_closed", help, 0) };
    let counts = metrics.closings().counts();
    counts.fold(none, |closings, (label, count)| closings.with(&[("reason", label)], count))
}

fn writer(store: &StoreStatistics) -> [Reading; 4] {
    [
        Reading::gauge(
            "kilwa_write_queue_writes",
            "Writes that wait for the writer or are being made",
            store.queued_writes,
        ),
        Reading::gauge(
            "kilwa_write_queue_bytes",
            "Bytes that waiting writes hold",
            store.queued_bytes,
        ),
        Reading::counter(
            "kilwa_commits",
            "Commits of the writer, each for one group of writes",
            store.commits,
        ),
        Reading::counter(
            "kilwa_committed_writes",
            "Writes in the groups that were committed",
            store.committed_writes,
        ),
    ]
}

fn disk(space: &DiskSpace) -> [Reading; 2] {
    [
        Reading::gauge(
            "kilwa_disk_free_bytes",
            "Bytes that are free on the disk of the data folder",
            space.free,
        ),
        Reading::gauge(
            "kilwa_disk_reserve_bytes",
            "Bytes that must be free there, or writes are refused",
            space.reserve,
        ),
    ]
}

fn cache(checks: &CacheStatistics) -> [Reading; 4] {
    [
        Reading::gauge(
            "kilwa_check_cache_entries",
            "Answers in the cache of checks",
            checks.entries,
        ),
        Reading::gauge(
            "kilwa_check_cache_bytes",
            "Bytes in the cache of checks, about",
            checks.bytes,
        ),
        Reading::gauge(
            "kilwa_check_cache_max_bytes",
            "The most bytes in the cache of checks",
            checks.bytes_max,
        ),
        Reading::counter(
            "kilwa_check_cache_evictions",
            "Answers that were dropped from the cache of checks to make room",
            checks.evictions,
        ),
    ]
}

fn rocksdb_memory(rocksdb: &RocksStatistics) -> [Reading; 4] {
    [
        Reading::gauge(
            "kilwa_rocksdb_block_cache_bytes",
            "Bytes in the cache of blocks that were read from disk",
            rocksdb.block_cache_bytes,
        ),
        Reading::gauge(
            "kilwa_rocksdb_block_cache_max_bytes",
            "The most bytes in the cache of blocks",
            rocksdb.block_cache_bytes_max,
        ),
        Reading::counter(
            "kilwa_rocksdb_block_cache_hits",
            "Blocks that were found in the cache of blocks",
            rocksdb.block_cache_hits,
        ),
        Reading::counter(
            "kilwa_rocksdb_block_cache_misses",
            "Blocks that were not in the cache of blocks and had to be read",
            rocksdb.block_cache_misses,
        ),
    ]
}

fn rocksdb_files(rocksdb: &RocksStatistics) -> [Reading; 9] {
    [
        Reading::gauge("kilwa_rocksdb_table_files", "Table files on disk", rocksdb.table_files),
        Reading::gauge("kilwa_rocksdb_table_bytes", "Bytes of table files", rocksdb.table_bytes),
        Reading::gauge(
            "kilwa_rocksdb_log_bytes",
            "Bytes of the files of the write-ahead log",
            rocksdb.log_bytes,
        ),
        Reading::counter(
            "kilwa_rocksdb_log_written_bytes",
            "Bytes that were written to the write-ahead log",
            rocksdb.log_bytes_written,
        ),
        Reading::counter(
            "kilwa_rocksdb_log_syncs",
            "Syncs of the write-ahead log",
            rocksdb.log_syncs,
        ),
        Reading::counter(
            "kilwa_rocksdb_flush_bytes",
            "Bytes that flushes wrote into table files",
            rocksdb.flush_bytes,
        ),
        Reading::counter(
            "kilwa_rocksdb_compaction_read_bytes",
            "Bytes that compactions read",
            rocksdb.compaction_bytes_read,
        ),
        Reading::counter(
            "kilwa_rocksdb_compaction_written_bytes",
            "Bytes that compactions wrote",
            rocksdb.compaction_bytes_written,
        ),
        Reading::counter(
            "kilwa_rocksdb_stall_microseconds",
            "Microseconds for which RocksDB held up writes because compactions or flushes were behind",
            rocksdb.stall_microseconds,
        ),
    ]
}

/// By the names that the column families have in the database: each has few levels, so that the set of labels is bounded.
fn rocksdb_levels(rocksdb: &RocksStatistics) -> [Reading; 2] {
    let reading = |name, help| Reading { samples: Vec::new(), ..Reading::gauge(name, help, 0) };
    let start = [
        reading("kilwa_rocksdb_level_files", "Table files by column family and level"),
        reading("kilwa_rocksdb_level_bytes", "Bytes of table files by column family and level"),
    ];
    rocksdb.levels.iter().fold(start, |[files, bytes], on_level| {
        let labels = [("family", on_level.family), ("level", on_level.level)];
        [files.with(&labels, on_level.files), bytes.with(&labels, on_level.bytes)]
    })
}

fn collections(totals: &CollectionTotals) -> [Reading; 3] {
    let CollectionTotals { succeeded, failed, duration, dropped } = totals;
    let milliseconds = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);

    [
        Reading::counter("kilwa_collections", "Garbage collections by their result", *succeeded)
            .labelled(&[("result", "succeeded")])
            .with(&[("result", "failed")], *failed),
        Reading::counter(
            "kilwa_collection_milliseconds",
            "Milliseconds that garbage collections took",
            milliseconds,
        ),
        Reading::counter(
            "kilwa_collected",
            "What garbage collections dropped, by kind",
            dropped.changes,
        )
        .labelled(&[("kind", "changes")])
        .with(&[("kind", "deleted_relationships")], dropped.deleted)
        .with(&[("kind", "expired_relationships")], dropped.expired)
        .with(&[("kind", "schemas")], dropped.schemas),
    ]
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
