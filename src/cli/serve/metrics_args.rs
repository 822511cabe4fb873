//! Options of `kilwa serve` for metrics.

use super::common_args::listen_address;
use crate::cli::boolean;
use crate::config::Config;
use clap::{ArgAction, Args};

/// Where SpiceDB serves metrics too; at the loopback address, because no key is asked for there.
const DEFAULT_ADDRESS: &str = "127.0.0.1:9090";

/// Metrics and probes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Metrics")]
pub(super) struct MetricsArgs {
    /// Whether to serve Prometheus metrics (`/metrics`) and probes (`/healthz`, `/livez`, `/readyz`) over HTTP.
    #[arg(
        long,
        env = "KILWA_METRICS_ENABLED",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    metrics_enabled: bool,
    /// Address to serve metrics and probes at. No key is asked for there.
    #[arg(
        long,
        env = "KILWA_METRICS_ADDR",
        default_value = DEFAULT_ADDRESS,
        value_name = "HOST:PORT"
    )]
    metrics_addr: String,
}

impl MetricsArgs {
    /// Copies the options into a configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        config.metrics_address = self.metrics_enabled.then(|| listen_address(&self.metrics_addr));
    }
}
