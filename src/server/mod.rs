//! The life of a server: open, listen, collect garbage, reload, drain.

mod activity;
mod address;
mod batch_executor;
mod call_queue;
mod clock;
mod connection;
mod descriptors;
mod error;
mod heal;
mod health;
mod http_answer;
mod http_connection;
mod http_listener;
mod key_fetch;
mod lingering_body;
mod listener;
mod open;
mod plaintext;
mod process;
mod profiles;
mod readiness;
mod readings;
mod registry;
mod reload;

mod runtime;
mod scrape;
mod serve;
mod signals;
mod stream_body;
mod surroundings;
mod testing;
mod tls;
mod upkeep;

pub use address::BindError;
pub use clock::{CLOCK_HEALTH_NAME, ClockAhead, ClockDoubt, TimeSource};
pub use error::ServerError;
pub use http_listener::HttpListenerError;
pub use plaintext::{ListenerKind, UnprotectedAddress};
pub use process::{is_data_folder_in_use, run, run_until_signal};
pub use testing::{TestAddresses, TestListeners, run_testing, run_testing_until_signal};
pub use tls::TlsError;

use crate::api::{ApiOptions, Workers};
use crate::config::{ConnectionOptions, HttpListenerOptions, KeySource, TransportSecurity};
use crate::envoy::ExtAuthz;
use crate::traces::TraceExport;
use clock::GuardedClock;
use http_listener::HttpListener;
use scrape::ScrapeListener;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tls::TlsIdentity;
use tokio::net::TcpListener;
use tokio::sync::Notify;

/// The contents of a data folder once a server has opened it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Contents {
    /// No schema, and so no relationships.
    Nothing,
    /// The schema of the bootstrap, with relationships as they are by now.
    Bootstrap,
    /// Another schema.
    Other,
}

/// What a client needs to reach a server over TLS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsAccess {
    /// The endpoint, with a host that the certificate has.
    pub endpoint: String,
    /// Whether the client has to present a certificate.
    pub requires_certificate: bool,
}

/// A server that has opened its data folder and does not listen yet.
#[derive(Debug)]
pub struct Server {
    workers: Arc<Workers>,
    clock: Arc<GuardedClock>,
    options: ApiOptions,
    key_source: KeySource,
    contents: Contents,
    /// What the log said of how the data folder was opened: repairs after a crash, and losses.
    remarks: usize,
    connections: ConnectionOptions,
    tls: Option<Arc<TlsIdentity>>,
    transport: TransportSecurity,
    reloads: Arc<Notify>,
    metrics: Option<ScrapeListener>,
    traces: Option<TraceExport>,
    /// Whether profiles are served with the metrics.
    profiles: bool,
    http: Option<HttpListener>,
    ext_authz: Option<ExtAuthz>,
    garbage_collection_interval: Duration,
    shutdown_drain_delay: Duration,
    shutdown_grace: Duration,
}

impl Server {
    /// Where the keys come from that callers must show.
    pub fn key_source(&self) -> &KeySource {
        &self.key_source
    }

    /// How many remarks there were when the data folder was opened: repairs after a crash, and losses. Each is in the log.
    pub fn remarks(&self) -> usize {
        self.remarks
    }

    /// What it holds.
    pub fn contents(&self) -> Contents {
        self.contents
    }

    /// What a client on this machine needs for TLS when the server listens at an address; `None` in plain text.
    pub fn tls_access(&self, address: SocketAddr) -> Option<TlsAccess> {
        let tls = self.tls.as_ref()?;
        Some(TlsAccess {
            endpoint: format!("https://{}", tls.reachable(address)),
            requires_certificate: tls.requires_certificate(),
        })
    }

    /// Where metrics and probes are served.
    pub fn metrics_address(&self) -> Option<SocketAddr> {
        self.metrics.as_ref().map(ScrapeListener::address)
    }

    /// The same server with a listener for HTTP, in place of the address in the configuration's options. Without these the usual
    /// options apply.
    pub fn with_http(mut self, listener: TcpListener) -> Result<Self, ServerError> {
        let http = match self.http.take() {
            Some(http) => http,
            None => HttpListener::new(HttpListenerOptions::default())?,
        };
        self.http = Some(http.with_bound(listener));
        Ok(self)
    }

    /// Where it serves HTTP, if it does and once it listens.
    pub fn http_address(&self) -> Option<SocketAddr> {
        self.http.as_ref()?.address()
    }

    /// The same as the start of a URL.
    pub fn http_url(&self) -> Option<String> {
        let scheme = if self.http.as_ref()?.has_tls() { "https" } else { "http" };
        Some(format!("{scheme}://{}", self.http_address()?))
    }
}
