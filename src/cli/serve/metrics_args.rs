//! Options of `kilwa serve` for metrics.

use super::common_args::listen_address;
use crate::cli::boolean;
use crate::config::{Config, MetricsOptions, TlsFiles, TransportSecurity};
use clap::{ArgAction, Args};
use std::path::PathBuf;

/// Where SpiceDB serves metrics too; at the loopback address, because no key is asked for there.
const DEFAULT_ADDRESS: &str = "127.0.0.1:9090";

/// Metrics and probes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Metrics")]
pub(super) struct MetricsArgs {
    /// Whether to serve Prometheus metrics (`/metrics`) and probes (`/healthz`, `/livez`, `/readyz`) over HTTP.
    #[arg(
        long = "metrics-enabled",
        id = "metrics-enabled",
        env = "KILWA_METRICS_ENABLED",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    enabled: bool,
    /// Address to serve metrics and probes at. No key is asked for there.
    #[arg(
        long = "metrics-addr",
        id = "metrics-addr",
        env = "KILWA_METRICS_ADDR",
        default_value = DEFAULT_ADDRESS,
        value_name = "HOST:PORT"
    )]
    address: String,
    /// Certificate to serve metrics and probes with over TLS: a PEM file with the chain. Replaced files are read without a
    /// restart.
    #[arg(
        long = "metrics-tls-cert-path",
        id = "metrics-tls-cert-path",
        env = "KILWA_METRICS_TLS_CERT_PATH",
        requires = "metrics-tls-key-path",
        value_name = "FILE"
    )]
    certificate: Option<PathBuf>,
    /// Private key of that certificate: a PEM file.
    #[arg(
        long = "metrics-tls-key-path",
        id = "metrics-tls-key-path",
        env = "KILWA_METRICS_TLS_KEY_PATH",
        requires = "metrics-tls-cert-path",
        value_name = "FILE"
    )]
    key: Option<PathBuf>,
    /// Whether to serve metrics and probes without TLS at an address that other machines can reach.
    #[arg(
        long = "metrics-allow-plaintext",
        id = "metrics-allow-plaintext",
        env = "KILWA_METRICS_ALLOW_PLAINTEXT",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    allow_plaintext: bool,
    /// Whether to serve profiles of the process there too (`/debug/pprof/profile?seconds=N`, `/debug/pprof/heap`).
    #[arg(
        long = "metrics-profiles",
        id = "metrics-profiles",
        env = "KILWA_METRICS_PROFILES",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    profiles: bool,
}

impl MetricsArgs {
    /// Copies the options into a configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        config.metrics = MetricsOptions {
            address: self.enabled.then(|| listen_address(&self.address)),
            transport: match (&self.certificate, &self.key) {
                (Some(certificate), Some(key)) => TransportSecurity::Tls(TlsFiles {
                    certificate: certificate.clone(),
                    key: key.clone(),
                    client_ca: None,
                }),
                _ if self.allow_plaintext => TransportSecurity::Plaintext,
                _ => TransportSecurity::LoopbackPlaintext,
            },
            profiles: self.profiles,
        };
    }
}
