//! Options of traces.

use std::path::PathBuf;

/// Options of traces.
#[derive(Clone, Debug, PartialEq)]
pub struct TraceOptions {
    /// How spans are exported; without it there are none.
    pub protocol: Option<TraceProtocol>,
    /// The collector, as host and port or as a URL. Without it the variables `OTEL_EXPORTER_OTLP_…` say where it is, or else it
    /// is on this machine at the port that is usual for the protocol.
    pub endpoint: Option<String>,
    /// Whether a collector that is given as host and port is spoken to in plain text.
    pub insecure: bool,
    /// What TLS to the collector needs.
    pub tls: TraceTls,
    /// The name of the service in the spans.
    pub service_name: String,
    /// The share of calls without a parent span that are sampled, from 0 to 1. With a parent, its choice applies.
    pub sample_ratio: f64,
    /// How many ended calls may wait to be exported.
    pub queue_length: usize,
}

/// What TLS to a collector needs. The default trusts the authorities of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TraceTls {
    /// The authorities to trust instead of the system's, in a PEM file.
    pub authorities: Option<PathBuf>,
    /// The server's own certificate and its key, in PEM files.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// How spans are exported.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TraceProtocol {
    /// OTLP over gRPC.
    Grpc,
    /// OTLP over HTTP/1.1, in protobuf.
    Http,
}

impl Default for TraceOptions {
    fn default() -> Self {
        Self {
            protocol: None,
            endpoint: None,
            insecure: false,
            tls: TraceTls::default(),
            service_name: "kilwa".to_owned(),
            sample_ratio: 0.01,
            queue_length: 4_096,
        }
    }
}

/// Traces that cannot be exported as the options say.
#[derive(Debug, thiserror::Error)]
pub enum TraceError {
    /// The endpoint is none.
    #[error(
        "the endpoint `{endpoint}` of traces is neither HOST:PORT nor a URL `http://HOST:PORT` or `https://HOST:PORT`: give another one with `--otel-endpoint` or OTEL_EXPORTER_OTLP_ENDPOINT"
    )]
    Endpoint {
        /// The endpoint as given.
        endpoint: String,
    },
    /// The endpoint holds a secret.
    #[error(
        "the endpoint of traces holds a user name or password: leave it out, and set the variable OTEL_EXPORTER_OTLP_HEADERS to `authorization=…`"
    )]
    Credentials,
    /// A file for TLS.
    #[error(
        "the file `{}` for TLS to the collector of traces cannot be read: {reason}; see the variables OTEL_EXPORTER_OTLP_CERTIFICATE, OTEL_EXPORTER_OTLP_CLIENT_CERTIFICATE and OTEL_EXPORTER_OTLP_CLIENT_KEY", .path.display()
    )]
    TlsFile {
        /// The file.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The system gives no random bytes.
    #[error("no ids of traces can be made: {0}")]
    Random(getrandom::Error),
    /// The exporter refuses its options, or those in the environment.
    #[error(
        "traces cannot be exported: {0}; see `--otel-endpoint` and the variables OTEL_EXPORTER_OTLP_…"
    )]
    Exporter(String),
}
