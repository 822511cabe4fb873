//! Options of `kilwa serve` for JSON over HTTP.

use super::common_args::listen_address;
use super::tls_args::transport;
use crate::cli::{boolean, duration};
use crate::config::{Config, HttpListenerOptions};
use crate::http::{AuthzenOptions, HttpOptions};
use clap::{ArgAction, Args};
use std::path::PathBuf;
use std::sync::LazyLock;
use std::time::Duration;

/// The library's own defaults.
fn defaults() -> &'static HttpListenerOptions {
    static DEFAULTS: LazyLock<HttpListenerOptions> = LazyLock::new(HttpListenerOptions::default);
    &DEFAULTS
}

/// JSON over HTTP.
#[derive(Debug, Args)]
#[command(next_help_heading = "JSON over HTTP")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub(super) struct HttpArgs {
    /// Whether to serve JSON over HTTP.
    #[arg(
        long = "http-enabled",
        id = "http-enabled",
        env = "KILWA_HTTP_ENABLED",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    enabled: bool,
    /// Address to serve HTTP at.
    #[arg(
        long = "http-addr",
        id = "http-addr",
        env = "KILWA_HTTP_ADDR",
        default_value = defaults().address.clone(),
        value_name = "HOST:PORT"
    )]
    address: String,
    /// Whether to answer gRPC at the address of HTTP, too.
    #[arg(
        long = "http-grpc-enabled",
        id = "http-grpc-enabled",
        env = "KILWA_HTTP_GRPC_ENABLED",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    grpc_enabled: bool,
    /// Certificate to serve HTTP with over TLS: a PEM file with the chain. Replaced files are read without a restart.
    #[arg(
        long = "http-tls-cert-path",
        id = "http-tls-cert-path",
        env = "KILWA_HTTP_TLS_CERT_PATH",
        requires = "http-tls-key-path",
        value_name = "FILE"
    )]
    certificate: Option<PathBuf>,
    /// Private key of the certificate: a PEM file.
    #[arg(
        long = "http-tls-key-path",
        id = "http-tls-key-path",
        env = "KILWA_HTTP_TLS_KEY_PATH",
        requires = "http-tls-cert-path",
        value_name = "FILE"
    )]
    key: Option<PathBuf>,
    /// Authorities of client certificates: a PEM file. Each client must then have a certificate from one of them.
    #[arg(
        long = "http-tls-client-ca-path",
        id = "http-tls-client-ca-path",
        env = "KILWA_HTTP_TLS_CLIENT_CA_PATH",
        requires = "http-tls-cert-path",
        value_name = "FILE"
    )]
    client_ca: Option<PathBuf>,
    /// Whether to serve HTTP without TLS at an address that other machines can reach. Keys and data then travel in plain text.
    #[arg(
        long = "http-allow-plaintext",
        id = "http-allow-plaintext",
        env = "KILWA_HTTP_ALLOW_PLAINTEXT",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    allow_plaintext: bool,
    /// Whether pages of other origins may read answers.
    #[arg(
        long = "http-cors-enabled",
        id = "http-cors-enabled",
        env = "KILWA_HTTP_CORS_ENABLED",
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = false,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    cors_enabled: bool,
    /// The origins whose pages may read answers, separated by commas, where CORS is enabled.
    #[arg(
        long = "http-cors-allowed-origins",
        id = "http-cors-allowed-origins",
        env = "KILWA_HTTP_CORS_ALLOWED_ORIGINS",
        default_value = "*",
        value_delimiter = ',',
        value_name = "ORIGIN"
    )]
    cors_allowed_origins: Vec<String>,
    /// Maximum size of a request's body, in bytes.
    #[arg(
        long = "http-max-body-size",
        id = "http-max-body-size",
        env = "KILWA_HTTP_MAX_BODY_SIZE",
        default_value = defaults().requests.body_bytes_max.to_string(),
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "BYTES"
    )]
    body_bytes_max: u32,
    /// Maximum size of the bodies of all requests that are in progress, in bytes. Further requests are refused.
    #[arg(
        long = "http-max-bodies-size",
        id = "http-max-bodies-size",
        env = "KILWA_HTTP_MAX_BODIES_SIZE",
        default_value = defaults().requests.bodies_bytes_max.to_string(),
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "BYTES"
    )]
    bodies_bytes_max: u32,
    /// Maximum levels of arrays and objects in the JSON of a request.
    #[arg(
        long = "http-max-json-depth",
        id = "http-max-json-depth",
        env = "KILWA_HTTP_MAX_JSON_DEPTH",
        default_value = defaults().requests.json_depth_max.to_string(),
        value_parser = clap::value_parser!(u16).range(1..=i64::from(HttpOptions::JSON_DEPTH_LIMIT)),
        value_name = "LEVELS"
    )]
    json_depth_max: u16,
    /// Maximum time between two parts of a request's body.
    #[arg(
        long = "http-body-idle-timeout",
        id = "http-body-idle-timeout",
        env = "KILWA_HTTP_BODY_IDLE_TIMEOUT",
        default_value = duration::text(defaults().requests.body_idle_max),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    body_idle_max: Duration,
    /// Maximum size of a request's headers, in bytes.
    #[arg(
        long = "http-max-header-size",
        id = "http-max-header-size",
        env = "KILWA_HTTP_MAX_HEADER_SIZE",
        default_value = defaults().header_bytes_max.to_string(),
        value_parser = clap::value_parser!(u32).range(8192..),
        value_name = "BYTES"
    )]
    header_bytes_max: u32,
    /// Maximum time for the headers of a request to arrive.
    #[arg(
        long = "http-header-timeout",
        id = "http-header-timeout",
        env = "KILWA_HTTP_HEADER_TIMEOUT",
        default_value = duration::text(defaults().header_timeout),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    header_timeout: Duration,
    /// Maximum time that a connection may be idle, without a request.
    #[arg(
        long = "http-idle-timeout",
        id = "http-idle-timeout",
        env = "KILWA_HTTP_IDLE_TIMEOUT",
        default_value = duration::text(defaults().idle_timeout),
        value_parser = duration::parse_positive,
        value_name = "DURATION"
    )]
    idle_timeout: Duration,
    /// File that maps types, actions and properties of AuthZEN to the schema. It is read again when it changes.
    #[arg(
        long = "authzen-mapping-file",
        id = "authzen-mapping-file",
        env = "KILWA_AUTHZEN_MAPPING_FILE",
        value_name = "FILE"
    )]
    authzen_mapping_file: Option<PathBuf>,
    /// URL at which clients of AuthZEN reach the server, for its metadata: `https://…`. Without it there are no metadata.
    #[arg(
        long = "authzen-base-url",
        id = "authzen-base-url",
        env = "KILWA_AUTHZEN_BASE_URL",
        value_name = "URL"
    )]
    authzen_base_url: Option<String>,
}

impl HttpArgs {
    /// Copies the options into a configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        let origins =
            if self.cors_enabled { self.cors_allowed_origins.clone() } else { Vec::new() };
        let bytes = |bytes| usize::try_from(bytes).unwrap_or(usize::MAX);
        let requests = HttpOptions {
            cors_allowed_origins: origins,
            body_bytes_max: bytes(self.body_bytes_max),
            bodies_bytes_max: bytes(self.bodies_bytes_max),
            body_idle_max: self.body_idle_max,
            json_depth_max: self.json_depth_max,
            authzen: AuthzenOptions {
                mapping_file: self.authzen_mapping_file.clone(),
                base_url: self.authzen_base_url.clone(),
            },
        };

        let files = (self.certificate.as_ref(), self.key.as_ref(), self.client_ca.as_ref());
        config.http = self.enabled.then(|| HttpListenerOptions {
            address: listen_address(&self.address),
            transport: transport(files, self.allow_plaintext),
            header_bytes_max: self.header_bytes_max,
            header_timeout: self.header_timeout,
            idle_timeout: self.idle_timeout,
            serves_grpc: self.grpc_enabled,
            requests,
        });
    }
}
