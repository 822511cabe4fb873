//! Serves until it has to stop, then refuses new calls, lets those in progress end, and closes the data folder.

use super::connection::{self, ConnectionService};
use super::error::ServerError;
use super::health::{self, ShownServices};
use super::http_connection::{self, HttpService};
use super::http_listener::{HttpListener, HttpListenerError};
use super::listener::listen;
use super::plaintext::{self, ListenerKind};
use super::readiness::Readiness;
use super::readings;
use super::registry::Registry;
use super::reload::{self, OutdatedCount, Reloadable};
use super::scrape::{ScrapeListener, ScrapeService};
use super::surroundings::Surroundings;
use super::tls::TlsIdentity;
use super::upkeep::{collect_garbage, watch_clock};
use super::{Server, heal, key_fetch};
use crate::access::Callers;
use crate::api::{self, ServiceMiddleware, Workers};
use crate::audit::AuditLog;
use crate::envoy::ExtAuthz;
use crate::traces::{RunningExport, TraceExport};
use std::future::Future;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tonic::service::Routes;
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

impl Server {
    /// Serves until `shutdown` is done; then refuses new calls, gives those in progress the grace period, and closes the
    /// data folder.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServerError> {
        self.require_protection(&listener)?;
        let outdated = OutdatedCount::default();
        let requests = Arc::clone(&self.reloads);
        let reloadables = self.reloadables();
        reloadables.iter().for_each(Reloadable::warn_of_open_files);
        let reloading = reload::supervise(reloadables, requests, outdated.clone());

        let traces = self.traces.take().map(TraceExport::run).transpose()?;
        let audit = self.options.audit.clone();
        let (reporter, mut routes) = health::usual_routes(self.shown_services()).await?;
        let middleware = api::add_services(&mut routes, &self.workers, self.options.clone());

        let (stop, stopped) = watch::channel(());
        let registry = Registry::of(self.connections);
        let readiness = Readiness::new(&reporter);
        let read = vec![readings::of_files(outdated), self.surroundings().readings()];
        let scraped = ScrapeService::new(&self.options, &self.workers, &registry, readiness, read)
            .with_profiles(self.profiles);
        // Aborted when this is dropped.
        let _scrapes = self.metrics.take().map(|metrics| metrics.start(scraped));
        let routes = routes.routes();
        let http = self.start_http(routes.clone()).await?;
        let routes = self.with_ext_authz(routes, &middleware);
        let service = ConnectionService {
            routes,
            checks: Some(middleware.checks().clone()),
            options: self.connections,
            tls: self.tls.clone(),
            metrics: Arc::clone(&self.options.calls),
            limiter: Arc::clone(self.workers.limiter()),
        };
        let serving = listen_to_all((listener, service), http, registry, stopped);
        let interval = self.garbage_collection_interval;

        let collecting = collect_garbage(&self.workers, &self.clock, interval);
        let watching_clock = watch_clock(&self.clock, &reporter);
        let healing = heal::supervise(&self.workers, &reporter);
        let fetching_keys = key_fetch::supervise(self.options.keys.callers().cloned());

        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            () = &mut serving => {}
            () = collecting => {}
            () = watching_clock => {}
            () = healing => {}
            () = fetching_keys => {}
            () = reloading => {}
            () = shutdown => {
                announce_stop(&reporter, self.shutdown_drain_delay, serving.as_mut()).await;
                self.end_calls(stop, serving).await;
            }
        }

        close(&self.workers, audit, traces).await;
        Ok(())
    }

    fn shown_services(&self) -> ShownServices {
        if self.ext_authz.is_some() { ShownServices::AlsoEnvoy } else { ShownServices::Usual }
    }

    /// The services, with that of external authorization if it is to be served.
    fn with_ext_authz(&self, routes: Routes, middleware: &ServiceMiddleware) -> Routes {
        match &self.ext_authz {
            Some(ext_authz) => ext_authz.add_to(routes, middleware),
            None => routes,
        }
    }

    /// Takes no more calls, and waits for those in progress within the grace period.
    async fn end_calls(&self, stop: watch::Sender<()>, serving: impl Future<Output = ()>) {
        drop(stop);
        self.workers.end_watches();
        drain(serving, self.shutdown_grace).await;
    }

    /// Refuses, or warns of, plain text at an address that other machines can reach.
    fn require_protection(&self, listener: &TcpListener) -> Result<(), ServerError> {
        let address = listener.local_addr().map_err(ServerError::System)?;
        plaintext::require_protection(ListenerKind::Grpc, address, &self.transport)?;
        plaintext::warn(ListenerKind::Grpc, address, &self.transport);
        Ok(())
    }

    /// The HTTP listener, and how its connections are served, if there is one.
    async fn start_http(
        &mut self,
        routes: Routes,
    ) -> Result<Option<(TcpListener, HttpService)>, HttpListenerError> {
        let metrics = Arc::clone(&self.options.calls);
        let limiter = Arc::clone(self.workers.limiter());
        match self.http.take() {
            Some(http) => http.start(routes, self.connections, metrics, limiter).await,
            None => Ok(None),
        }
    }

    /// What it depends on, and metrics show.
    fn surroundings(&self) -> Surroundings {
        let callers = self.options.keys.callers().cloned();
        let identities = self.identities().cloned().collect();
        Surroundings { identities, clock: Arc::clone(&self.clock), callers }
    }

    /// The identities of the listeners that speak TLS.
    fn identities(&self) -> impl Iterator<Item = &Arc<TlsIdentity>> {
        let metrics = self.metrics.as_ref().and_then(ScrapeListener::tls);
        let http = self.http.as_ref().and_then(HttpListener::tls);
        self.tls.iter().chain(metrics).chain(http)
    }

    /// The files that decide who may do what, and that every user of the machine can change.
    pub fn open_files(&self) -> Vec<PathBuf> {
        let things = self.reloadables();
        things.iter().flat_map(Reloadable::open_files).map(Path::to_owned).collect()
    }

    /// Whether every user of the machine can read the TLS key of a listener.
    pub fn has_open_tls_key(&self) -> bool {
        self.identities().any(|identity| identity.has_open_key())
    }

    /// All that can be reloaded while the server runs.
    fn reloadables(&self) -> Vec<Reloadable> {
        let tls = self.identities().map(TlsIdentity::reloadable);
        let http = self.http.iter().filter_map(HttpListener::reloadable);
        let callers = self.options.keys.callers().cloned();
        let audit = self.options.audit.clone().map(audit_reloadable);
        let access = callers.and_then(access_reloadable);
        let ext_authz = self.ext_authz.clone().map(ext_authz_reloadable);
        tls.chain(http).chain(access).chain(ext_authz).chain(audit).collect()
    }
}

/// The file of the audit log, which another program may have moved.
fn audit_reloadable(audit: AuditLog) -> Reloadable {
    Reloadable::new("audit log", Vec::new(), move || {
        audit.reopen();
        Ok(())
    })
}

/// The access file of callers that have one.
fn access_reloadable(callers: Arc<Callers>) -> Option<Reloadable> {
    callers.file()?;
    let files = callers.files();
    let named = Arc::clone(&callers);
    let reload = move || callers.reload().map_err(|error| error.to_string());
    let reloadable = Reloadable::new("access file", files, reload);
    // A file with another issuer names another key set.
    Some(reloadable.with_named_files(move || named.files()))
}

/// The mapping file of external authorization. After the access file, whose issuers it names.
fn ext_authz_reloadable(ext_authz: ExtAuthz) -> Reloadable {
    let files = vec![ext_authz.file().to_owned()];
    let reload = move || ext_authz.reload().map_err(|error| error.to_string());
    Reloadable::new("ext_authz mapping file", files, reload)
}

/// Serves the connections of both listeners until they are stopped.
async fn listen_to_all(
    (grpc_listener, grpc): (TcpListener, ConnectionService),
    http: Option<(TcpListener, HttpService)>,
    registry: Arc<Registry>,
    stopped: watch::Receiver<()>,
) {
    let serve_grpc = move |stream, ticket| connection::serve(stream, grpc.clone(), ticket);
    let grpc = listen(grpc_listener, serve_grpc, Arc::clone(&registry), stopped.clone());
    let Some((http_listener, http)) = http else { return grpc.await };
    let serve_http = move |stream, ticket| http_connection::serve(stream, http.clone(), ticket);
    tokio::join!(grpc, listen(http_listener, serve_http, registry, stopped));
}

/// Reports that the server stops before anything is refused, so that load balancers send new calls elsewhere.
async fn announce_stop(
    reporter: &HealthReporter,
    delay: Duration,
    serving: Pin<&mut impl Future<Output = ()>>,
) {
    health::report(reporter, ServingStatus::NotServing).await;
    if !delay.is_zero() {
        tracing::info!(?delay, "not serving; calls are still accepted");
        // Only the delay ends it: the listener is open.
        let _ = tokio::time::timeout(delay, serving).await;
    }
    health::end_health_watches(reporter).await;
}

/// Waits for the calls in progress, within the grace period.
pub(super) async fn drain(serving: impl Future<Output = ()>, grace: Duration) {
    tracing::info!(?grace, "draining");
    if tokio::time::timeout(grace, serving).await.is_err() {
        tracing::warn!("calls were cut off at the end of the grace period");
    }
}

/// Closes the data folder, and writes what is left of the audit log and of the traces.
async fn close(workers: &Workers, audit: Option<AuditLog>, traces: Option<RunningExport>) {
    workers.close().await;
    flush(audit).await;
    if let Some(traces) = traces {
        traces.finish().await;
    }
    tracing::info!("stopped");
}

/// Waits until the records of all calls have been written.
async fn flush(audit: Option<AuditLog>) {
    if let Some(audit) = audit {
        audit.flush().await;
    }
}
