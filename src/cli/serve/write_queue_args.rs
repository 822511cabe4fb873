//! Options of `kilwa serve` for the write queue.

use super::defaults::defaults;
use crate::cli::duration;
use crate::config::Config;
use clap::Args;
use std::num::NonZero;
use std::time::Duration;

/// Limits on waiting writes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Writes")]
pub(in crate::cli) struct WriteQueueArgs {
    /// Maximum number of waiting writes. More are refused with `RESOURCE_EXHAUSTED`.
    #[arg(
        long,
        env = "KILWA_MAX_WAITING_WRITES",
        default_value = defaults().store.queue.writes_max.to_string(),
        value_name = "COUNT"
    )]
    max_waiting_writes: NonZero<usize>,
    /// Maximum total size of the requests of waiting writes, in bytes.
    #[arg(
        long,
        env = "KILWA_MAX_WAITING_WRITES_SIZE",
        default_value_t = defaults().store.queue.bytes_max,
        value_name = "BYTES"
    )]
    max_waiting_writes_size: usize,
    /// Maximum time that the client of a bulk import may be idle.
    #[arg(
        long,
        env = "KILWA_BULK_IMPORT_IDLE_TIMEOUT",
        default_value = duration::text(defaults().import_idle_max),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    bulk_import_idle_timeout: Duration,
    /// Maximum number of open bulk imports with one key. Further ones are refused with `RESOURCE_EXHAUSTED`.
    #[arg(
        long,
        env = "KILWA_MAX_BULK_IMPORTS_PER_KEY",
        default_value_t = defaults().requests.imports_per_key_max,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    max_bulk_imports_per_key: u32,
    /// Maximum disk space for the spill files of all running bulk imports, in bytes.
    #[arg(
        long,
        env = "KILWA_MAX_BULK_IMPORT_SPILL_SIZE",
        default_value_t = defaults().store.import_bytes_max,
        value_parser = clap::value_parser!(u64).range(1..),
        value_name = "BYTES"
    )]
    max_bulk_import_spill_size: u64,
}

impl WriteQueueArgs {
    /// Copies the options into a configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        config.store.queue.writes_max = self.max_waiting_writes.get();
        config.store.queue.bytes_max = self.max_waiting_writes_size;
        config.import_idle_max = self.bulk_import_idle_timeout;
        config.requests.imports_per_key_max = self.max_bulk_imports_per_key;
        config.store.import_bytes_max = self.max_bulk_import_spill_size;
    }
}
