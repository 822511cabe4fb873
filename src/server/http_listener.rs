//! The HTTP listener of a server: its address, its TLS, and what answers at it.

use super::address::{BindError, bind};
use super::http_connection::HttpService;
use super::plaintext::{self, ListenerKind, UnprotectedAddress};
use super::reload::Reloadable;
use super::tls::{self, TlsError, TlsIdentity};
use crate::api::ConcurrencyLimiter;
use crate::config::{ConnectionOptions, HttpListenerOptions};
use crate::http::{Endpoints, EndpointsError};
use crate::metrics::CallMetrics;
use std::net::SocketAddr;
use std::sync::Arc;
use tokio::net::TcpListener;
use tonic::service::Routes;

/// Why HTTP cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum HttpListenerError {
    /// The address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The files of its TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// Plain text at an address that other machines can reach.
    #[error(transparent)]
    Unprotected(#[from] UnprotectedAddress),
    /// What is served.
    #[error(transparent)]
    Endpoints(#[from] EndpointsError),
}

/// What a server needs to serve HTTP, from before it listens.
#[derive(Debug)]
pub(super) struct HttpListener {
    options: Arc<HttpListenerOptions>,
    endpoints: Endpoints,
    tls: Option<Arc<TlsIdentity>>,
    bound: Option<TcpListener>,
}

impl HttpListener {
    /// Reads all that the options name.
    pub(super) fn new(options: HttpListenerOptions) -> Result<Self, HttpListenerError> {
        let endpoints = Endpoints::new(&options.requests)?;
        let tls = TlsIdentity::of("HTTP", &options.transport, tls::ALPN_HTTP)?;
        Ok(Self { options: Arc::new(options), endpoints, tls, bound: None })
    }

    /// Listens, unless it does already.
    pub(super) async fn bind(&mut self) -> Result<(), HttpListenerError> {
        if self.bound.is_none() {
            let (listener, address) = bind("--http-addr", &self.options.address).await?;
            plaintext::require_protection(ListenerKind::Http, address, &self.options.transport)?;
            self.bound = Some(listener);
        }
        Ok(())
    }

    /// The same with a listener in place of the address of the options.
    pub(super) fn with_bound(self, listener: TcpListener) -> Self {
        Self { bound: Some(listener), ..self }
    }

    /// Where it listens, once it does.
    pub(super) fn address(&self) -> Option<SocketAddr> {
        self.bound.as_ref()?.local_addr().ok()
    }

    /// Its identity, if it speaks TLS.
    pub(super) fn tls(&self) -> Option<&Arc<TlsIdentity>> {
        self.tls.as_ref()
    }

    /// Whether it speaks TLS.
    pub(super) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }

    /// The mapping file, which can be reloaded while the server runs.
    pub(super) fn reloadable(&self) -> Option<Reloadable> {
        let file = self.endpoints.mapping_file()?.to_owned();
        let endpoints = self.endpoints.clone();
        let reload = move || endpoints.reload_mapping().map_err(|error| error.to_string());
        Some(Reloadable::new("AuthZEN mapping file", vec![file], reload))
    }

    /// The listener, and how its connections are served with these services.
    pub(super) async fn start(
        mut self,
        routes: Routes,
        connections: ConnectionOptions,
        metrics: Arc<CallMetrics>,
        limiter: Arc<ConcurrencyLimiter>,
    ) -> Result<Option<(TcpListener, HttpService)>, HttpListenerError> {
        self.bind().await?;
        let Some(address) = self.address() else { return Ok(None) };
        plaintext::require_protection(ListenerKind::Http, address, &self.options.transport)?;
        plaintext::warn(ListenerKind::Http, address, &self.options.transport);
        tracing::info!(%address, tls = self.has_tls(), "serving HTTP");
        let Self { options, endpoints, tls, bound } = self;
        let service =
            HttpService { endpoints, routes, options, connections, tls, metrics, limiter };
        Ok(bound.map(|listener| (listener, service)))
    }
}
