//! Options of `kilwa serve` for connections.

use super::defaults::defaults;
use crate::cli::duration;
use crate::config::Config;
use clap::Args;
use std::time::Duration;

/// Limits on connections.
#[derive(Debug, Args)]
#[command(next_help_heading = "Connections")]
pub(in crate::cli) struct ConnectionArgs {
    /// Maximum open connections. [default: at most 10000; less where the limit of open files is low]
    #[arg(
        long = "grpc-max-connections",
        env = "KILWA_GRPC_MAX_CONNECTIONS",
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    max_open: Option<u32>,
    /// Maximum time for a new connection to start HTTP/2.
    #[arg(
        long = "grpc-handshake-timeout",
        env = "KILWA_GRPC_HANDSHAKE_TIMEOUT",
        default_value = duration::text(defaults().connections.handshake_timeout),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    handshake_timeout: Duration,
    /// Maximum time that a connection may be idle, without a call.
    #[arg(
        long = "grpc-idle-timeout",
        env = "KILWA_GRPC_IDLE_TIMEOUT",
        default_value = duration::text(defaults().connections.idle_timeout),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    idle_timeout: Duration,
    /// Maximum concurrent calls on one connection, watches included.
    #[arg(
        long = "grpc-max-concurrent-streams",
        env = "KILWA_GRPC_MAX_CONCURRENT_STREAMS",
        default_value_t = defaults().connections.calls_max,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    calls_max: u32,
}

impl ConnectionArgs {
    /// Copies the options into a configuration.
    pub(in crate::cli) fn apply(&self, config: &mut Config) {
        config.connections.max = self.max_open;
        config.connections.handshake_timeout = self.handshake_timeout;
        config.connections.idle_timeout = self.idle_timeout;
        config.connections.calls_max = self.calls_max;
    }
}
