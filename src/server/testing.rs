//! A server for tests: each key has an empty database of its own, in memory, made when the key is first shown.

use super::address::bind;
use super::clock::system_now;
use super::connection::{self, ConnectionService};
use super::descriptors;
use super::error::ServerError;
use super::health::{self, ShownServices};
use super::listener::listen;
use super::open::{contents, request_ids};
use super::registry::Registry;
use super::reload::{self, OutdatedCount};
use super::runtime;
use super::serve::drain;
use super::signals::StopSignals;
use super::upkeep::GARBAGE_COLLECTION_INTERVAL_MIN;
use crate::api::{
    self, Clock, ConcurrencyLimiter, Keys, OverloadOptions, RequestIds, Workers, shown_key,
};
use crate::config::Config;
use crate::database::Database;
use http_body::Body as HttpBody;
use std::collections::HashMap;
use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use tokio::net::TcpListener;
use tokio::sync::{OnceCell, watch};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Bytes, Service};
use tonic::service::Routes;
use tonic_health::ServingStatus;

/// Where a server for tests listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TestAddresses<A> {
    /// For all calls.
    pub all: A,
    /// For calls that do not write, to the same databases.
    pub read_only: Option<A>,
}

/// The listeners of a server for tests.
pub type TestListeners = TestAddresses<TcpListener>;

/// Serves tests until SIGTERM or SIGINT. `ready` receives the address as soon as the server
/// accepts calls. The config's data folder and keys play no part.
pub fn run_testing_until_signal(
    addresses: &TestAddresses<String>,
    config: Config,
    ready: impl FnOnce(TestAddresses<SocketAddr>),
) -> Result<(), ServerError> {
    let signals = StopSignals::listen().map_err(ServerError::System)?;
    descriptors::raise_limit();
    let runtime = runtime::start().map_err(ServerError::System)?;
    runtime.block_on(async {
        let (all, all_at) = bind("--grpc-addr", &addresses.all).await?;
        let read_only = match &addresses.read_only {
            Some(address) => Some(bind("--readonly-grpc-addr", address).await?),
            None => None,
        };
        let (read_only, read_only_at) = read_only.unzip();
        let tenants = Tenants::new(config).await?;

        // So that SIGHUP is answered in the log; nothing here is read from files again.
        let outdated = OutdatedCount::default();
        tokio::spawn(reload::supervise(Vec::new(), signals.reloads(), outdated));
        let stop = signals.serving();
        ready(TestAddresses { all: all_at, read_only: read_only_at });
        serve(TestListeners { all, read_only }, tenants, stop).await
    })
}

/// Serves tests until `shutdown` is done. The config's data folder and keys play no part.
pub async fn run_testing(
    listeners: TestListeners,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServerError> {
    serve(listeners, Tenants::new(config).await?, shutdown).await
}

async fn serve(
    listeners: TestListeners,
    tenants: Arc<Tenants>,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServerError> {
    let (reporter, usual) = health::usual_routes(ShownServices::Usual).await?;
    let usual = usual.routes();

    let routes = |writes| {
        let router = TenantRouter { tenants: Arc::clone(&tenants), writes };
        Routes::from(usual.clone().into_axum_router().fallback_service(router))
    };

    let (stop, stopped) = watch::channel(());
    let options = tenants.config.connections;
    let registry = Registry::of(options);
    let serve = |listener, routes| {
        // The limits are those of the tenants.
        let unlimited = OverloadOptions { waiting_max: None, ..OverloadOptions::default() };
        let (metrics, limiter) = (Arc::default(), Arc::new(ConcurrencyLimiter::new(unlimited)));
        let service =
            ConnectionService { routes, checks: None, options, tls: None, metrics, limiter };
        let serve = move |stream, ticket| connection::serve(stream, service.clone(), ticket);
        listen(listener, serve, Arc::clone(&registry), stopped.clone())
    };
    let all = serve(listeners.all, routes(true));
    let read_only = listeners.read_only.map(|listener| serve(listener, routes(false)));

    let serving = async {
        match read_only {
            Some(read_only) => {
                tokio::join!(all, read_only);
            }
            None => all.await,
        }
    };

    let mut serving = std::pin::pin!(serving);
    tokio::select! {
        () = &mut serving => {}
        () = tenants.collect_garbage() => {}
        () = shutdown => {
            health::report(&reporter, ServingStatus::NotServing).await;
            drop(stop);
            drain(serving, tenants.config.shutdown_grace).await;
        }
    }
    tenants.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// The databases, by the keys that were shown.
struct Tenants {
    config: Config,
    request_ids: RequestIds,
    by_key: Mutex<HashMap<String, Arc<OnceCell<Tenant>>>>,
}

/// A database and the services that answer from it.
#[derive(Clone)]
struct Tenant {
    workers: [Arc<Workers>; 2],
    all: Routes,
    read_only: Routes,
}

impl Tenants {
    /// No databases but that for calls without a key, so that it shows at once whether one can be made.
    async fn new(config: Config) -> Result<Arc<Self>, ServerError> {
        let by_key = Mutex::default();
        let tenants = Arc::new(Self { config, request_ids: request_ids(), by_key });
        tenants.find("").await?;
        Ok(tenants)
    }

    /// The database of a key. It is made when there is none; calls that come meanwhile wait.
    async fn find(&self, key: &str) -> Result<Tenant, ServerError> {
        let cell = Arc::clone(self.lock().entry(key.to_owned()).or_default());
        cell.get_or_try_init(|| self.make()).await.cloned()
    }

    async fn make(&self) -> Result<Tenant, ServerError> {
        let config = self.config.clone();
        let opening = tokio::task::spawn_blocking(move || {
            let database = Database::in_memory(&config.store, config.database)?;
            contents(&database, config.bootstrap.as_ref(), system_now())?;
            Ok::<_, ServerError>(database)
        });
        let database =
            opening.await.map_err(|failure| ServerError::System(io::Error::other(failure)))??;
        let clock: Clock = Arc::new(system_now);
        let workers = [database.read_only(), database].map(|database| {
            let workers = Workers::new(database, self.config.threads_max, Arc::clone(&clock));
            Arc::new(workers.with_overload(self.config.overload))
        });
        let [read_only, all] = workers.each_ref().map(|workers| self.routes(workers));
        Ok(Tenant { workers, all, read_only })
    }

    fn routes(&self, workers: &Arc<Workers>) -> Routes {
        let mut routes = Routes::builder();
        let request_ids = Arc::clone(&self.request_ids);
        let options = self.config.api_options(Keys::none_needed(), request_ids, None);
        api::add_services(&mut routes, workers, options);
        routes.routes()
    }

    /// Never ends.
    async fn collect_garbage(&self) {
        let interval = self.config.garbage_collection_interval;
        loop {
            tokio::time::sleep(interval.max(GARBAGE_COLLECTION_INTERVAL_MIN)).await;
            for Tenant { workers: [workers, _], .. } in self.all() {
                workers.collect_garbage().await;
            }
        }
    }

    async fn close(&self) {
        for Tenant { workers, .. } in self.all() {
            for workers in workers {
                workers.close().await;
            }
        }
    }

    fn all(&self) -> Vec<Tenant> {
        self.lock().values().filter_map(|cell| cell.get().cloned()).collect()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<String, Arc<OnceCell<Tenant>>>> {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Hands each call to the services of the key that it shows.
#[derive(Clone)]
struct TenantRouter {
    tenants: Arc<Tenants>,
    writes: bool,
}

impl<B> Service<Request<B>> for TenantRouter
where
    B: HttpBody<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let Self { tenants, writes } = self.clone();
        Box::pin(async move {
            // Calls that show no key share a database too.
            let key = shown_key(request.headers()).unwrap_or_default();
            match tenants.find(key).await {
                Ok(Tenant { mut all, .. }) if writes => all.call(request).await,
                Ok(Tenant { mut read_only, .. }) => read_only.call(request).await,
                Err(error) => {
                    let reason = format!("no database can be made for this key: {error}");
                    tracing::error!(reason, "a call was refused");
                    Ok(api::refuse(Status::internal(reason)))
                }
            }
        })
    }
}
