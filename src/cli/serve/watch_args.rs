//! Options of `kilwa serve` for watches.

use super::defaults::defaults;
use crate::cli::duration;
use crate::config::Config;
use clap::Args;
use std::time::Duration;

/// Limits on watches.
#[derive(Debug, Args)]
#[command(next_help_heading = "Watch")]
pub(super) struct WatchArgs {
    /// Interval of checkpoints for watchers that request them, while nothing changes.
    #[arg(
        long,
        env = "KILWA_WATCH_API_HEARTBEAT",
        default_value = duration::text(defaults().watch.heartbeat),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    watch_api_heartbeat: Duration,
    /// Maximum number of changes in the send queue of one watcher.
    #[arg(
        long,
        env = "KILWA_DATASTORE_WATCH_BUFFER_LENGTH",
        default_value_t = defaults().watch.buffer_length,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    datastore_watch_buffer_length: u32,
    /// Maximum time that the send queue of a watcher may be full, before the watch is ended as too slow.
    #[arg(
        long,
        env = "KILWA_DATASTORE_WATCH_BUFFER_WRITE_TIMEOUT",
        default_value = duration::text(defaults().watch.write_timeout),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    datastore_watch_buffer_write_timeout: Duration,
    /// Maximum number of open watches with one key. Further ones are refused with `RESOURCE_EXHAUSTED`.
    #[arg(
        long,
        env = "KILWA_MAX_WATCHES_PER_KEY",
        default_value_t = defaults().requests.watches_per_key_max,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    max_watches_per_key: u32,
}

impl WatchArgs {
    /// Copies the options into a configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        config.watch.heartbeat = self.watch_api_heartbeat;
        config.watch.buffer_length = self.datastore_watch_buffer_length;
        config.watch.write_timeout = self.datastore_watch_buffer_write_timeout;
        config.requests.watches_per_key_max = self.max_watches_per_key;
    }
}
