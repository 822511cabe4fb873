//! Options of `kilwa serve` for TLS.

use crate::cli::boolean;
use crate::config::{Config, TlsFiles, TransportSecurity};
use clap::{ArgAction, Args};
use std::path::PathBuf;

/// TLS of the listener.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(super) struct TlsArgs {
    /// Certificate to serve gRPC with over TLS: a PEM file with the chain. Replaced files are read without a restart.
    #[arg(
        long = "grpc-tls-cert-path",
        id = "grpc-tls-cert-path",
        env = "KILWA_GRPC_TLS_CERT_PATH",
        requires = "grpc-tls-key-path",
        value_name = "FILE"
    )]
    certificate: Option<PathBuf>,
    /// Private key of the certificate: a PEM file.
    #[arg(
        long = "grpc-tls-key-path",
        id = "grpc-tls-key-path",
        env = "KILWA_GRPC_TLS_KEY_PATH",
        requires = "grpc-tls-cert-path",
        value_name = "FILE"
    )]
    key: Option<PathBuf>,
    /// Authorities of client certificates: a PEM file. Each client must then have a certificate from one of them.
    #[arg(
        long = "grpc-tls-client-ca-path",
        id = "grpc-tls-client-ca-path",
        env = "KILWA_GRPC_TLS_CLIENT_CA_PATH",
        requires = "grpc-tls-cert-path",
        value_name = "FILE"
    )]
    client_ca: Option<PathBuf>,
    /// Whether to serve without TLS at an address that other machines can reach. Keys and data then travel in plain text.
    #[arg(
        long = "grpc-allow-plaintext",
        id = "grpc-allow-plaintext",
        env = "KILWA_GRPC_ALLOW_PLAINTEXT",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    allow_plaintext: bool,
}

impl TlsArgs {
    /// Copies the options into a configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        let files = (self.certificate.as_ref(), self.key.as_ref(), self.client_ca.as_ref());
        config.transport = transport(files, self.allow_plaintext);
    }
}

/// The security of a listener with these files of certificate, key and client authorities.
pub(super) fn transport(
    (certificate, key, client_ca): (Option<&PathBuf>, Option<&PathBuf>, Option<&PathBuf>),
    allow_plaintext: bool,
) -> TransportSecurity {
    match (certificate, key) {
        (Some(certificate), Some(key)) => TransportSecurity::Tls(TlsFiles {
            certificate: certificate.clone(),
            key: key.clone(),
            client_ca: client_ca.cloned(),
        }),
        _ if allow_plaintext => TransportSecurity::Plaintext,
        _ => TransportSecurity::LoopbackPlaintext,
    }
}
