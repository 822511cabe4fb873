//! The listener for metrics and for probes: plain HTTP/1.1, one request for each connection.
//!
//! No caller shows a key here, so everything is bounded: the header, the time for it, the time for the whole connection, and the
//! number of connections.

use super::error::ServerError;
use super::http_answer::{plain, response};
use super::plaintext::{self, ListenerKind};
use super::profiles;
use super::readiness::Readiness;
use super::readings;
use super::registry::Registry;
use super::tls::{self, TlsIdentity};
use crate::api::{ApiOptions, Workers};
use crate::config::MetricsOptions;
use crate::metrics::{Exposition, ReadingSource, TextFormat};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io, net};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::{JoinSet, spawn_blocking};
use tokio::time::timeout;
use tonic::body::Body;
use tonic::codegen::http::header::{ACCEPT, ALLOW, HeaderValue};
use tonic::codegen::http::{Method, Request, Response, StatusCode};

/// The most connections at once; more wait until one of these is done.
const CONNECTIONS_MAX: usize = 32;
/// The most bytes of a request's header.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// How long a client may take to send its header.
const HEADER_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a connection may last, whatever its client does.
const CONNECTION_TIME_MAX: Duration = Duration::from_secs(90);
/// How long to wait when the system accepts no connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// A listener for metrics and probes that does not serve yet.
#[derive(Debug)]
pub(super) struct ScrapeListener {
    listener: net::TcpListener,
    address: SocketAddr,
    tls: Option<Arc<TlsIdentity>>,
}

/// What is served there.
#[derive(Clone)]
pub(super) struct ScrapeService {
    exposition: Arc<Exposition>,
    readiness: Readiness,
    /// Whether profiles are served.
    profiles: bool,
}

impl fmt::Debug for ScrapeService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScrapeService").finish_non_exhaustive()
    }
}

impl ScrapeListener {
    /// Listens where the options say, if they do.
    pub(super) fn of(options: &MetricsOptions) -> Result<Option<Self>, ServerError> {
        let Some(address) = &options.address else { return Ok(None) };
        let tls = TlsIdentity::of("metrics", &options.transport, tls::ALPN_SCRAPE)?;
        let cannot_bind = |source| ServerError::BindMetrics { address: address.clone(), source };
        let listener = Self::bind(address, tls).map_err(cannot_bind)?;
        let local = listener.address();
        plaintext::require_protection(ListenerKind::Metrics, local, &options.transport)?;
        plaintext::warn(ListenerKind::Metrics, local, &options.transport);
        Ok(Some(listener))
    }

    /// Listens at an address, with TLS if there is an identity for it.
    fn bind(address: &str, tls: Option<Arc<TlsIdentity>>) -> io::Result<Self> {
        let listener = net::TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address, tls })
    }

    /// Its identity, if it speaks TLS.
    pub(super) fn tls(&self) -> Option<&Arc<TlsIdentity>> {
        self.tls.as_ref()
    }

    /// Where it listens.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until what this returns is dropped.
    pub(super) fn start(self, service: ScrapeService) -> JoinSet<io::Result<()>> {
        tracing::info!(address = %self.address, "serving metrics and probes");
        let mut serving = JoinSet::new();
        serving.spawn(self.serve(service));
        serving
    }

    /// Serves until the future is dropped. Never ends by itself.
    async fn serve(self, service: ScrapeService) -> io::Result<()> {
        let listener = TcpListener::from_std(self.listener)?;
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        let mut connections = JoinSet::new();

        loop {
            let Ok(place) = Arc::clone(&places).acquire_owned().await else { return Ok(()) };
            while connections.try_join_next().is_some() {}
            match listener.accept().await {
                Ok((stream, _)) => {
                    let (service, tls) = (service.clone(), self.tls.clone());
                    connections.spawn(async move {
                        connection(stream, tls, service).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::debug!(%error, "no connection for metrics can be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            }
        }
    }
}

/// Serves the one request of a connection.
async fn connection(stream: TcpStream, tls: Option<Arc<TlsIdentity>>, service: ScrapeService) {
    let stream = match timeout(HEADER_TIME_MAX, tls::handshake(stream, tls.as_deref())).await {
        Ok(Ok((stream, _))) => stream,
        Ok(Err(error)) => return tracing::debug!(%error, "a connection for metrics ended"),
        Err(_) => return tracing::debug!("a connection for metrics was cut off"),
    };

    let answer = service_fn(move |request: Request<Incoming>| {
        let service = service.clone();
        async move { Ok::<_, Infallible>(service.answer(&request).await) }
    });
    let serving = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIME_MAX)
        .max_buf_size(HEADER_BYTES_MAX)
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), answer);

    match timeout(CONNECTION_TIME_MAX, serving).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => tracing::debug!(%error, "a connection for metrics ended"),
        Err(_) => tracing::debug!("a connection for metrics was cut off"),
    }
}

impl ScrapeService {
    /// Serves the metrics of these parts of a server.
    pub(super) fn new(
        options: &ApiOptions,
        workers: &Arc<Workers>,
        registry: &Arc<Registry>,
        readiness: Readiness,
        sources: Vec<ReadingSource>,
    ) -> Self {
        let mut exposition = Exposition::default();
        exposition.add_calls(Arc::clone(&options.calls));
        exposition.add_source(readings::of_server(workers, registry, &options.calls));
        exposition.add_source(readings::of_records(options));
        for source in sources {
            exposition.add_source(source);
        }
        Self { exposition: Arc::new(exposition), readiness, profiles: false }
    }

    /// The same, which serves profiles too or not.
    pub(super) fn with_profiles(self, profiles: bool) -> Self {
        Self { profiles, ..self }
    }

    async fn answer(&self, request: &Request<Incoming>) -> Response<Body> {
        if request.method() != Method::GET && request.method() != Method::HEAD {
            let mut response = plain(StatusCode::METHOD_NOT_ALLOWED, "only GET is possible\n");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            return response;
        }
        match request.uri().path() {
            "/metrics" => self.metrics(request).await,
            // It answers, so it is alive.
            "/healthz" | "/livez" => plain(StatusCode::OK, "ok\n"),
            "/readyz" => match self.readiness.obstacle().await {
                None => plain(StatusCode::OK, "ok\n"),
                Some(obstacle) => plain(StatusCode::SERVICE_UNAVAILABLE, obstacle),
            },
            "/debug/pprof/profile" if self.profiles => {
                profiles::processor(request.uri().query()).await
            }
            "/debug/pprof/heap" if self.profiles => profiles::heap().await,
            _ => plain(StatusCode::NOT_FOUND, "there are /metrics, /healthz, /livez and /readyz\n"),
        }
    }

    async fn metrics(&self, request: &Request<Incoming>) -> Response<Body> {
        let accept = request.headers().get(ACCEPT).and_then(|accept| accept.to_str().ok());
        let format = TextFormat::from_accept(accept);
        let exposition = Arc::clone(&self.exposition);
        // Some readings take locks that a write may hold.
        match spawn_blocking(move || exposition.text(format)).await {
            Ok(text) => response(StatusCode::OK, format.media_type(), text),
            Err(_) => plain(StatusCode::INTERNAL_SERVER_ERROR, "metrics cannot be read\n"),
        }
    }
}
