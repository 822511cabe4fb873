//! Options of `kilwa serve` for streams of results.

use super::defaults::defaults;
use crate::cli::duration;
use crate::config::Config;
use clap::Args;
use std::time::Duration;

/// Limits on streams of results.
#[derive(Debug, Args)]
#[command(next_help_heading = "Streams")]
pub(super) struct StreamArgs {
    /// Maximum time between two results of a stream, whether the server or the client is slow.
    #[arg(
        long,
        env = "KILWA_STREAMING_API_RESPONSE_DELAY_TIMEOUT",
        default_value = duration::text(defaults().stream_idle_max),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    streaming_api_response_delay_timeout: Duration,
    /// Maximum total time that the results of one stream may wait for the client. A stream keeps its revision from
    /// garbage collection.
    #[arg(
        long,
        env = "KILWA_STREAMING_API_CLIENT_WAIT_TIMEOUT",
        default_value = duration::text(defaults().stream_client_wait_max),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    streaming_api_client_wait_timeout: Duration,
}

impl StreamArgs {
    /// Copies the options into a configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        config.stream_idle_max = self.streaming_api_response_delay_timeout;
        config.stream_client_wait_max = self.streaming_api_client_wait_timeout;
    }
}
