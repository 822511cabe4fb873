//! How much may wait to be written: options of `kilwa serve`.

use crate::cli::duration;
use crate::config::Config;
use clap::Args;
use std::num::NonZero;
use std::time::Duration;

/// How much may wait to be written.
#[derive(Debug, Args)]
#[command(next_help_heading = "Writes")]
pub(in crate::cli) struct WriteQueueArgs {
    /// Maximum number of writes that wait for their turn. More are refused with `RESOURCE_EXHAUSTED`.
    #[arg(long, env = "KILWA_MAX_WAITING_WRITES", default_value = "4096", value_name = "COUNT")]
    max_waiting_writes: NonZero<usize>,
    /// Maximum size of the requests of all writes that wait, in bytes.
    #[arg(
        long,
        env = "KILWA_MAX_WAITING_WRITES_SIZE",
        default_value_t = 128 << 20,
        value_name = "BYTES"
    )]
    max_waiting_writes_size: usize,
    /// Maximum time that the client of a bulk import may send nothing.
    #[arg(
        long,
        env = "KILWA_BULK_IMPORT_IDLE_TIMEOUT",
        default_value = "60s",
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    bulk_import_idle_timeout: Duration,
    /// Maximum disk space for the relationships of all bulk imports that have not been made yet, in bytes.
    #[arg(
        long,
        env = "KILWA_MAX_BULK_IMPORT_SPILL_SIZE",
        default_value_t = 16 << 30,
        value_parser = clap::value_parser!(u64).range(1..),
        value_name = "BYTES"
    )]
    max_bulk_import_spill_size: u64,
}

impl WriteQueueArgs {
    pub(super) fn configure(&self, config: &mut Config) {
        config.store.queue.writes_max = self.max_waiting_writes.get();
        config.store.queue.bytes_max = self.max_waiting_writes_size;
        config.import_idle_max = self.bulk_import_idle_timeout;
        config.store.import_bytes_max = self.max_bulk_import_spill_size;
    }
}
