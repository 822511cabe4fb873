//! Options of every server: `kilwa serve` and `kilwa serve-testing`.

use super::connection_args::ConnectionArgs;
use super::defaults::defaults;
use super::limit_args::LimitArgs;
use super::log_format::LogFormatArg;
use super::overload_args::OverloadArgs;
use crate::cli::duration;
use crate::cli::error::CliError;
use crate::cli::server_args::DEFAULT_ENDPOINT;
use crate::config::Config;
use crate::telemetry;
use clap::Args;
use std::time::Duration;

/// Address, log and limits of a server.
#[derive(Debug, Args)]
pub(in crate::cli) struct CommonArgs {
    /// Address to serve gRPC at.
    #[arg(
        long,
        env = "KILWA_GRPC_ADDR",
        default_value = DEFAULT_ENDPOINT,
        value_name = "HOST:PORT",
        display_order = 0
    )]
    grpc_addr: String,
    /// Time for running calls to finish after a stop signal.
    #[arg(
        long,
        env = "KILWA_SHUTDOWN_GRACE_PERIOD",
        alias = "grpc-shutdown-grace-period",
        default_value = duration::text(defaults().shutdown_grace),
        value_parser = duration::parse,
        value_name = "DURATION"
    )]
    shutdown_grace_period: Duration,
    /// Log level: error, warn, info, debug or trace, or rules such as `info,kilwa::calls=debug`, which adds a line for
    /// each call.
    #[arg(long, env = "KILWA_LOG_LEVEL", default_value = "info", value_name = "LEVEL")]
    log_level: String,
    /// Duration from which a call is logged as slow, at level info. Watches are never logged as slow.
    #[arg(
        long,
        env = "KILWA_SLOW_CALL_THRESHOLD",
        default_value = duration::text(defaults().slow_call),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    slow_call_threshold: Duration,
    /// Format of log lines.
    #[arg(long, env = "KILWA_LOG_FORMAT", value_enum, default_value_t, value_name = "FORMAT")]
    log_format: LogFormatArg,
    #[command(flatten)]
    connections: ConnectionArgs,
    #[command(flatten)]
    limits: LimitArgs,
    #[command(flatten)]
    overload: OverloadArgs,
}

impl CommonArgs {
    /// The address to listen at.
    pub(in crate::cli) fn address(&self) -> String {
        listen_address(&self.grpc_addr)
    }

    /// Whether log lines are JSON, and so no text may stand between them.
    pub(in crate::cli) fn logs_json(&self) -> bool {
        self.log_format == LogFormatArg::Json
    }

    pub(in crate::cli) fn start_log(&self) -> Result<(), CliError> {
        Ok(telemetry::start(self.log_format.into(), &self.log_level)?)
    }

    /// Copies the options into a configuration.
    pub(in crate::cli) fn apply(&self, config: &mut Config) {
        config.shutdown_grace = self.shutdown_grace_period;
        config.slow_call = self.slow_call_threshold;
        self.connections.apply(config);
        self.limits.apply(config);
        self.overload.apply(config);
    }
}

/// The listen address; without a host, all addresses of this machine.
pub(in crate::cli) fn listen_address(given: &str) -> String {
    match given.strip_prefix(':') {
        Some(port) => format!("0.0.0.0:{port}"),
        None => given.to_owned(),
    }
}
