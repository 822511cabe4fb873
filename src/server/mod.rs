//! The life of a server: open, listen, collect garbage, reload, drain.

mod activity;
mod address;
mod clock;
mod connection;
mod descriptors;
mod heal;
mod http_answer;
mod http_connection;
mod http_listener;
mod listener;
mod plaintext;
mod profiles;
mod readiness;
mod readings;
mod registry;
mod reload;
mod scrape;
mod signals;
mod testing;
mod tls;

pub use address::BindError;
pub use clock::{CLOCK_HEALTH_NAME, ClockAhead, ClockDoubt, TimeSource};
pub use http_listener::HttpListenerError;
pub use plaintext::{ListenerKind, UnprotectedAddress};
pub use testing::{TestAddresses, TestListeners, run_testing, run_testing_until_signal};
pub use tls::TlsError;

use crate::access::Callers;
use crate::api::{self, ApiOptions, Clock, HEALTH_NAMES, Keys, RequestIds, WRITES_HEALTH, Workers};
use crate::audit::{AuditError, AuditLog, AuditSource};
use crate::config::{
    Bootstrap, Config, ConnectionOptions, HttpListenerOptions, KeyError, KeySource, MetricsOptions,
    TransportSecurity,
};
use crate::database::{Consistency, Database, DatabaseError};
use crate::proto;
use crate::relationship::{Relationship, Timestamp};
use crate::store::{OpenError, Store, is_folder_in_use};
use address::bind;
use clock::{GuardedClock, since_epoch};
use connection::ConnectionService;
use http_connection::HttpService;
use http_listener::HttpListener;
use listener::listen;
use readiness::Readiness;
use registry::Registry;
use reload::Reloadable;
use scrape::{ScrapeListener, ScrapeService};
use signals::StopSignals;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tls::TlsIdentity;
use tokio::net::TcpListener;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tonic::service::{Routes, RoutesBuilder};
use tonic_health::ServingStatus;
use tonic_health::server::HealthReporter;

/// How often the clock is read, so that a jump is noticed even without calls.
const CLOCK_INTERVAL: Duration = Duration::from_secs(1);
/// How often the log says that the clock is not believed.
const CLOCK_LOG_INTERVAL: Duration = Duration::from_mins(1);
/// The largest message of the services that ask for no key, in bytes: they take a name.
const OPEN_MESSAGE_BYTES_MAX: usize = 16 << 10;
/// Collecting without a pause would take the store for itself.
const GARBAGE_COLLECTION_INTERVAL_MIN: Duration = Duration::from_millis(1);

/// Why a server does not start, or stops without a signal.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data folder.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The clock.
    #[error(transparent)]
    Clock(#[from] ClockAhead),
    /// The bootstrap of an empty store.
    #[error("the bootstrap cannot be loaded: {0}")]
    Bootstrap(Box<DatabaseError>),
    /// The descriptors of the messages.
    #[error("the reflection service cannot be made: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The address of the metrics.
    #[error(
        "cannot serve metrics at `{address}`: {source}; give another address with `--metrics-addr`, such as 127.0.0.1:9091"
    )]
    BindMetrics {
        /// The address as given.
        address: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The files of the listener's TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// Plain text at an address that other machines can reach.
    #[error(transparent)]
    Unprotected(#[from] UnprotectedAddress),
    /// The HTTP listener.
    #[error(transparent)]
    Http(#[from] HttpListenerError),
    /// Threads or signals.
    #[error("the server cannot be set up: {0}")]
    System(io::Error),
}

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
    /// Whether profiles are served with the metrics.
    profiles: bool,
    http: Option<HttpListener>,
    garbage_collection_interval: Duration,
    shutdown_drain_delay: Duration,
    shutdown_grace: Duration,
}

/// Opens the data folder and serves on `listener` until `shutdown` is done.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServerError> {
    Server::open(&config)?.serve(listener, shutdown).await
}

/// Opens the data folder and serves at `address` until SIGTERM or SIGINT. `ready` receives
/// the address as soon as the server accepts calls. A signal before that, and a second one later, end the process at once.
pub fn run_until_signal(
    address: &str,
    config: &Config,
    ready: impl FnOnce(SocketAddr, &Server),
) -> Result<(), ServerError> {
    let signals = StopSignals::listen().map_err(ServerError::System)?;
    descriptors::raise_limit();
    let runtime = Runtime::new().map_err(ServerError::System)?;

    runtime.block_on(async {
        let (listener, local) =
            bind("--grpc-addr", address).await.map_err(|error| -> ServerError {
                // Usually both are true, and that the folder is in use says which server it is.
                if is_data_folder_in_use(&config.data_dir) {
                    OpenError::Locked { path: config.data_dir.clone() }.into()
                } else {
                    error.into()
                }
            })?;
        // Before the data folder is opened, which may take long.
        plaintext::require_protection(ListenerKind::Grpc, local, &config.transport)?;
        let mut http = config.http.clone().map(HttpListener::new).transpose()?;
        if let Some(http) = &mut http {
            http.bind().await?;
        }
        let mut server = Server::open_listening(config, TimeSource::system(), http)?;
        server.reloads = signals.reloads();
        let stop = signals.serving();
        warn_of_short_keys(local, &server.options.keys);
        ready(local, &server);
        server.serve(listener, stop).await
    })
}

/// Whether a running server, of this process or another one, has a data folder open.
pub fn is_data_folder_in_use(data_dir: &Path) -> bool {
    is_folder_in_use(data_dir)
}

/// Warns when other machines can try keys that can be guessed.
fn warn_of_short_keys(address: SocketAddr, keys: &Keys) {
    if keys.has_short_key() && !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            "a preshared key has fewer than 16 bytes, and other machines can reach the server: use a longer random one, \
             such as that of `openssl rand -base64 32`"
        );
    }
}

fn bind_metrics(options: &MetricsOptions) -> Result<Option<ScrapeListener>, ServerError> {
    let Some(address) = &options.address else { return Ok(None) };
    let tls = TlsIdentity::of("metrics", &options.transport, tls::ALPN_SCRAPE)?;
    let cannot_bind = |source| ServerError::BindMetrics { address: address.clone(), source };
    let listener = ScrapeListener::bind(address, tls).map_err(cannot_bind)?;
    let local = listener.address();
    plaintext::require_protection(ListenerKind::Metrics, local, &options.transport)?;
    plaintext::warn(ListenerKind::Metrics, local, &options.transport);
    Ok(Some(listener))
}

impl Server {
    /// Opens the data folder, makes a key where there is none, and fills an empty store with what it is to start with.
    pub fn open(config: &Config) -> Result<Self, ServerError> {
        Self::open_with(config, TimeSource::system())
    }

    /// The same with another source of time.
    pub fn open_with(config: &Config, time: TimeSource) -> Result<Self, ServerError> {
        let http = config.http.clone().map(HttpListener::new).transpose()?;
        Self::open_listening(config, time, http)
    }

    fn open_listening(
        config: &Config,
        time: TimeSource,
        http: Option<HttpListener>,
    ) -> Result<Self, ServerError> {
        // Before the data folder is opened, which may take long.
        let metrics = bind_metrics(&config.metrics)?;
        let tls = TlsIdentity::of("gRPC", &config.transport, tls::ALPN_GRPC)?;

        let mut store_options = config.store.clone();
        // No ticker costs anything where none is shown.
        store_options.counters = metrics.is_some();
        store_options.open_files_max =
            store_options.open_files_max.min(descriptors::shares().store);

        let open = if config.recover_log { Store::recover } else { Store::open };
        let store = open(&config.data_dir, &store_options)?;

        let remarks = store.notes().len();
        for note in store.notes() {
            tracing::warn!("{note}");
        }
        let last_use = store.last_use().map_err(|error| OpenError::Io {
            path: config.data_dir.clone(),
            reason: error.to_string(),
        })?;

        let clock = GuardedClock::start(
            time,
            last_use,
            config.store.history_window,
            (config.clock_ahead_max, config.accept_clock),
        )?;
        let clock = Arc::new(clock);

        let (keys, key_source) = config.load_keys()?;
        let database = Database::new(store, config.database);
        let contents = contents(&database, config.bootstrap.as_ref(), clock.now())?;
        let database = if config.read_only { database.read_only() } else { database };

        let readings = Arc::clone(&clock);
        let now: Clock = Arc::new(move || readings.now());

        let workers =
            Workers::new(database, config.threads_max, now).with_overload(config.overload);
        let audit = start_audit(config, &workers)?;

        Ok(Self {
            workers: Arc::new(workers),
            clock,
            options: config.api_options(keys, request_ids(), audit),
            key_source,
            contents,
            remarks,
            connections: config.connections,
            tls,
            transport: config.transport.clone(),
            reloads: Arc::default(),
            metrics,
            profiles: config.metrics.profiles,
            http,
            garbage_collection_interval: config.garbage_collection_interval,
            shutdown_drain_delay: config.shutdown_drain_delay,
            shutdown_grace: config.shutdown_grace,
        })
    }

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

    /// Serves until `shutdown` is done; then refuses new calls, gives those in progress the grace period, and closes the
    /// data folder.
    pub async fn serve(
        mut self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> Result<(), ServerError> {
        self.require_protection(&listener)?;
        let reloading = reload::supervise(self.reloadables(), Arc::clone(&self.reloads));

        let audit = self.options.audit.clone();
        let (health, mut routes) = usual_routes().await?;
        let calls = Arc::clone(&self.options.calls);
        api::add_services(&mut routes, &self.workers, self.options.clone());

        let (stop, stopped) = watch::channel(());
        let registry = registry(self.connections);
        let readiness = Readiness::new(&health);
        let scraped = ScrapeService::new(calls, &self.workers, &registry, readiness)
            .with_profiles(self.profiles);
        // Aborted when this is dropped.
        let _scrapes = self.metrics.take().map(|metrics| metrics.start(scraped));
        let routes = routes.routes();
        let http = self.start_http(routes.clone()).await?;
        let service =
            ConnectionService { routes, options: self.connections, tls: self.tls.clone() };
        let serving = listen_to_all((listener, service), http, registry, stopped);
        let interval = self.garbage_collection_interval;

        let collecting = collect_garbage(&self.workers, &self.clock, interval);
        let watching_clock = watch_clock(&self.clock, &health);
        let healing = heal::supervise(&self.workers, &health);

        let mut serving = std::pin::pin!(serving);
        tokio::select! {
            () = &mut serving => {}
            () = collecting => {}
            () = watching_clock => {}
            () = healing => {}
            () = reloading => {}
            () = shutdown => {
                announce_stop(&health, self.shutdown_drain_delay, serving.as_mut()).await;
                self.end_calls(stop, serving).await;
            }
        }

        close(&self.workers, audit).await;
        Ok(())
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
        match self.http.take() {
            Some(http) => http.start(routes, self.connections.calls_max).await,
            None => Ok(None),
        }
    }

    /// All that can be reloaded while the server runs.
    fn reloadables(&self) -> Vec<Reloadable> {
        let metrics = self.metrics.as_ref().and_then(ScrapeListener::tls);
        let tls = self.tls.iter().chain(metrics).map(TlsIdentity::reloadable);
        let http = self.http.iter().flat_map(HttpListener::reloadables);
        let callers = self.options.keys.callers().cloned();
        let audit = self.options.audit.clone().map(audit_reloadable);
        tls.chain(http).chain(callers.and_then(access_reloadable)).chain(audit).collect()
    }
}

/// Starts the audit log, if there is to be one. Its source is the store.
fn start_audit(config: &Config, workers: &Workers) -> Result<Option<AuditLog>, AuditError> {
    let id = workers.store_bytes().map(|byte| format!("{byte:02x}")).concat();
    let run = format!("{:x}", since_epoch().as_micros());
    let source = AuditSource { source: format!("urn:kilwa:store:{id}"), run, now: since_epoch };
    AuditLog::start(&config.audit, source)
}

/// Waits until the records of all calls have been written.
async fn flush(audit: Option<AuditLog>) {
    if let Some(audit) = audit {
        audit.flush().await;
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
    let reload = move || callers.reload().map_err(|error| error.to_string());
    Some(Reloadable::new("access file", files, reload))
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

/// Fills an empty database with its bootstrap, and says what there is.
fn contents(
    database: &Database,
    bootstrap: Option<&Bootstrap>,
    now: Timestamp,
) -> Result<Contents, ServerError> {
    let failed = |error: DatabaseError| ServerError::Bootstrap(Box::new(error));
    if let Some(Bootstrap { schema, relationships }) = bootstrap {
        let loaded = database.bootstrap(now, schema, relationships.clone()).map_err(failed)?;
        if loaded {
            let is_expired = |row: &&Relationship| row.expires_at.is_some_and(|at| at <= now);
            let expired = relationships.iter().filter(is_expired).count();
            let (count, bytes) = (relationships.len(), schema.len());
            tracing::info!(
                loaded,
                relationships = count,
                schema_bytes = bytes,
                "bootstrap: loaded into the empty store"
            );
            if expired > 0 {
                tracing::warn!(expired, "bootstrap: relationships that have expired grant nothing");
            }
        } else {
            tracing::info!(loaded, "bootstrap: skipped, because the store already holds a schema");
        }
    }

    let view = database.view(Consistency::FullyConsistent, now).map_err(failed)?;
    Ok(match (view.schema_text(), bootstrap) {
        (None, _) => Contents::Nothing,
        (Some(text), Some(bootstrap)) if text == bootstrap.schema => Contents::Bootstrap,
        (Some(_), _) => Contents::Other,
    })
}

/// Health and reflection, which every server has and which ask for no key.
async fn usual_routes() -> Result<(HealthReporter, RoutesBuilder), ServerError> {
    let (health, health_service) = tonic_health::server::health_reporter();
    report(&health, ServingStatus::Serving).await;
    let mut routes = Routes::builder();
    routes.add_service(health_service.max_decoding_message_size(OPEN_MESSAGE_BYTES_MAX));
    add_reflection(&mut routes)?;
    Ok((health, routes))
}

/// The connections that the options and the limit on open files allow.
fn registry(options: ConnectionOptions) -> Arc<Registry> {
    let shares = descriptors::shares();
    let max = match options.max {
        None => shares.connections_default,
        Some(max) if max <= shares.connections => max,
        Some(wanted) => {
            tracing::warn!(
                wanted,
                max = shares.connections,
                open_files = shares.limit,
                "fewer connections than --grpc-max-connections says: raise the limit of open files (ulimit -n)"
            );
            shares.connections
        }
    };
    Registry::new(max)
}

/// Closes the data folder, and writes what is left of the audit log.
async fn close(workers: &Workers, audit: Option<AuditLog>) {
    workers.close().await;
    flush(audit).await;
    tracing::info!("stopped");
}

/// Waits for the calls in progress, within the grace period.
async fn drain(serving: impl Future<Output = ()>, grace: Duration) {
    tracing::info!(?grace, "draining");
    if tokio::time::timeout(grace, serving).await.is_err() {
        tracing::warn!("calls were cut off at the end of the grace period");
    }
}

async fn report(health: &HealthReporter, status: ServingStatus) {
    for name in HEALTH_NAMES.into_iter().chain([WRITES_HEALTH]) {
        health.set_service_status(name, status).await;
    }
}

/// Reports that the server stops before anything is refused, so that load balancers send new calls elsewhere.
async fn announce_stop(
    health: &HealthReporter,
    delay: Duration,
    serving: Pin<&mut impl Future<Output = ()>>,
) {
    report(health, ServingStatus::NotServing).await;
    if !delay.is_zero() {
        tracing::info!(?delay, "not serving; calls are still accepted");
        // Only the delay ends it: the listener is open.
        let _ = tokio::time::timeout(delay, serving).await;
    }
    end_health_watches(health).await;
}

/// Ends the health watches, after they have had the last status: open for good, they would take the whole grace period.
async fn end_health_watches(health: &HealthReporter) {
    let mut health = health.clone();
    for name in HEALTH_NAMES.into_iter().chain([WRITES_HEALTH, CLOCK_HEALTH_NAME]) {
        health.clear_service_status(name).await;
    }
}

fn add_reflection(routes: &mut RoutesBuilder) -> Result<(), ServerError> {
    let builder = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(proto::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
            .register_encoded_file_descriptor_set(
                tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET,
            )
            // Each of the two versions lists both of them.
            .include_reflection_service(false)
    };
    let v1 = builder().build_v1()?.max_decoding_message_size(OPEN_MESSAGE_BYTES_MAX);
    let v1alpha = builder().build_v1alpha()?.max_decoding_message_size(OPEN_MESSAGE_BYTES_MAX);
    routes.add_service(v1);
    routes.add_service(v1alpha);
    Ok(())
}

/// Never ends.
async fn collect_garbage(workers: &Workers, clock: &GuardedClock, interval: Duration) {
    loop {
        tokio::time::sleep(interval.max(GARBAGE_COLLECTION_INTERVAL_MIN)).await;
        if let Some(time) = clock.collectable() {
            workers.collect_garbage_at(time).await;
        }
    }
}

/// Reports whether the clock can be believed, to health checks and, as long as it cannot, again and again to the log. Never
/// ends.
async fn watch_clock(clock: &GuardedClock, health: &HealthReporter) {
    let mut logged_at: Option<Instant> = None;
    loop {
        let doubt = clock.doubt();
        let status =
            if doubt.is_some() { ServingStatus::NotServing } else { ServingStatus::Serving };
        health.set_service_status(CLOCK_HEALTH_NAME, status).await;

        match doubt {
            None => {
                if logged_at.take().is_some() {
                    tracing::info!("the clock is believed again");
                }
            }
            Some(doubt) if logged_at.is_none_or(|at| at.elapsed() >= CLOCK_LOG_INTERVAL) => {
                tracing::warn!(
                    "{doubt}; nothing old is dropped until the clock is set right, or the server is restarted with `--accept-clock`"
                );
                logged_at = Some(Instant::now());
            }
            Some(_) => {}
        }

        tokio::time::sleep(CLOCK_INTERVAL).await;
    }
}

/// Ids that are unlike those of other servers, and of this one before it was restarted.
fn request_ids() -> RequestIds {
    let start = since_epoch().as_micros();
    let count = AtomicU64::new(0);
    Arc::new(move || format!("{start:x}-{:x}", count.fetch_add(1, Ordering::Relaxed)))
}
