//! The services of a server, with their middleware.

use crate::api::authzed_v1::fast_bulk::FastBulk;
use crate::api::authzed_v1::{experimental, fast_check, permissions, schema, watch};
use crate::api::caller_slots::CallerSlots;
use crate::api::context::{ServiceContext, StreamTimeouts};
use crate::api::convert::trace::TraceEncoder;
use crate::api::kilwa_v1;
use crate::api::middleware::auth::Keys;
use crate::api::middleware::call_ending::RequestIds;
use crate::api::middleware::intake::{MemoryBudget, WIRE_BYTES_MAX};
use crate::api::middleware::layer::{Middleware, MiddlewareOptions};
use crate::api::request_limits::RequestLimits;
use crate::api::token::ZedTokens;
use crate::api::watch::send_queue::WatchOptions;
use crate::api::workers::Workers;
use crate::audit::AuditLog;
use crate::metrics::CallMetrics;
use crate::proto::authzed::api::v1::experimental_service_server::ExperimentalServiceServer;
use crate::proto::authzed::api::v1::permissions_service_server::PermissionsServiceServer;
use crate::proto::authzed::api::v1::schema_service_server::SchemaServiceServer;
use crate::proto::authzed::api::v1::watch_service_server::WatchServiceServer;
use crate::proto::kilwa::v1::lookup_service_server::LookupServiceServer;
use crate::proto::kilwa::v1::permissions_service_server::PermissionsServiceServer as KilwaPermissionsServiceServer;
use crate::proto::kilwa::v1::relationships_service_server::RelationshipsServiceServer;
use crate::proto::kilwa::v1::validation_service_server::ValidationServiceServer;
use crate::proto::kilwa::v1::watch_service_server::WatchServiceServer as KilwaWatchServiceServer;
use crate::traces::TraceRecorder;
use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tonic::body::Body;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::codegen::Service;
use tonic::codegen::http::{Method, Request, Response};
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};

/// The full names of the services whose health can be asked for; the empty name stands for the whole server.
pub const HEALTH_NAMES: [&str; 9] = [
    "",
    "authzed.api.v1.PermissionsService",
    "authzed.api.v1.SchemaService",
    "authzed.api.v1.WatchService",
    "kilwa.v1.LookupService",
    "kilwa.v1.PermissionsService",
    "kilwa.v1.RelationshipsService",
    "kilwa.v1.ValidationService",
    "kilwa.v1.WatchService",
];

/// The name under which the health of writes can be asked for. It is `NOT_SERVING` while writes are stopped because one could
/// not be committed; the other names stay `SERVING` then, because reads continue.
pub const WRITES_HEALTH: &str = "kilwa.writes";

/// Dependencies and options of the services.
#[derive(Clone)]
pub struct ApiOptions {
    /// Who may call.
    pub keys: Keys,
    /// How much a request may hold.
    pub limits: RequestLimits,
    /// How long a stream may go without a result.
    pub stream_idle_max: Duration,
    /// How long the client of an import may send nothing.
    pub import_idle_max: Duration,
    /// How long all results of a stream may wait for the client, together. Meanwhile what it reads cannot be collected.
    pub stream_client_wait_max: Duration,
    /// How patient the server is with those who watch.
    pub watch: WatchOptions,
    /// Makes ids for calls that bring none.
    pub request_ids: RequestIds,
    /// From when on a call is logged as slow.
    pub slow_call: Duration,
    /// Time that a call without a deadline may take, unless it is a stream.
    pub call_time_max: Duration,
    /// Counts the calls as they end.
    pub calls: Arc<CallMetrics>,
    /// The audit log, where there is one.
    pub audit: Option<AuditLog>,
    /// Records the spans of calls, where traces are exported.
    pub traces: Option<TraceRecorder>,
}

impl fmt::Debug for ApiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiOptions")
            .field("keys", &self.keys)
            .field("limits", &self.limits)
            .field("stream_idle_max", &self.stream_idle_max)
            .field("import_idle_max", &self.import_idle_max)
            .field("stream_client_wait_max", &self.stream_client_wait_max)
            .field("watch", &self.watch)
            .field("slow_call", &self.slow_call)
            .field("call_time_max", &self.call_time_max)
            .finish_non_exhaustive()
    }
}

/// What surrounds every service: callers, roles, limits, logs. For a service that is not among those of [`add_services`].
#[derive(Clone, Debug)]
pub struct ServiceMiddleware {
    options: MiddlewareOptions,
    checks: DirectChecks,
}

/// Takes checks without the routes, which find the service and box the bodies again.
#[derive(Clone, Debug)]
pub struct DirectChecks(Middleware<PermissionsService>);

type PermissionsService = FastBulk<PermissionsServiceServer<permissions::Permissions>>;

impl DirectChecks {
    /// Whether a request is one that the routes would give to the same service.
    pub fn covers<B>(&self, request: &Request<B>) -> bool {
        request.method() == Method::POST && request.uri().path() == fast_check::PATH
    }

    /// Answers such a request.
    pub async fn call(mut self, request: Request<Body>) -> Result<Response<Body>, Infallible> {
        self.0.call(request).await
    }
}

impl ServiceMiddleware {
    /// Takes checks without the routes.
    pub fn checks(&self) -> &DirectChecks {
        &self.checks
    }

    /// Adds a service, surrounded by the same as the others, to their routes.
    pub fn add<S>(&self, routes: Routes, service: S) -> Routes
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Unpin + Send + 'static,
    {
        routes.add_service(Middleware::new(service, self.options.clone()))
    }
}

/// Adds every service of Kilwa to a server's routes. They answer from the workers' database. Returns what surrounds them.
pub fn add_services(
    routes: &mut RoutesBuilder,
    workers: &Arc<Workers>,
    options: ApiOptions,
) -> ServiceMiddleware {
    let ApiOptions {
        keys,
        limits,
        import_idle_max,
        watch,
        request_ids,
        slow_call,
        call_time_max,
        audit,
        traces,
        ..
    } = options;
    let (idle_max, client_max) = (options.stream_idle_max, options.stream_client_wait_max);
    let budget = Arc::new(MemoryBudget::new(limits.all_bytes_max, Arc::clone(&options.calls)));
    let limiter = Arc::clone(workers.limiter());
    let edge = MiddlewareOptions {
        keys: Arc::new(keys),
        request_ids,
        slow_call,
        call_time_max,
        budget,
        limiter,
        calls: options.calls,
        audit,
        traces,
    };
    let context = ServiceContext {
        workers: Arc::clone(workers),
        tokens: ZedTokens::new(workers.store_bytes()),
        traces: TraceEncoder::new(workers.store_bytes(), Arc::clone(&edge.request_ids)),
        limits,
        streams: StreamTimeouts { idle_max, client_max },
        import_idle_max,
        imports: CallerSlots::new(limits.imports_per_key_max),
        metrics: Arc::clone(&edge.calls),
    };
    macro_rules! server {
        ($server:ident, $service:expr) => {
            $server::new($service).max_decoding_message_size(WIRE_BYTES_MAX).accept_compressed(Gzip)
        };
    }
    macro_rules! add {
        ($server:ident, $service:expr) => {
            routes.add_service(Middleware::new(server!($server, $service), edge.clone()));
        };
    }
    let permissions = permissions::Permissions::new(context.clone());
    let fast_check = Arc::new(fast_check::FastCheck::new(context.clone()));
    let schemas = schema::SchemaCalls::new(context.clone());
    let (stable, schema) = (permissions.clone(), schemas.clone());
    let experimental = experimental::Experimental::new(context.clone(), stable, schema);

    let permissions = server!(PermissionsServiceServer, permissions);
    let permissions = FastBulk::new(permissions, context.clone());
    let permissions = Middleware::new(permissions, edge.clone()).with_fast_path(fast_check);
    routes.add_service(permissions.clone());
    add!(SchemaServiceServer, schemas);
    add!(LookupServiceServer, kilwa_v1::lookup::LookupCalls::new(context.clone()));
    add!(RelationshipsServiceServer, kilwa_v1::relationships::Relationships::new(context.clone()));
    add!(
        KilwaPermissionsServiceServer,
        kilwa_v1::permissions::KilwaPermissions::new(context.clone())
    );
    add!(ValidationServiceServer, kilwa_v1::validation::Validation::new(context.clone()));
    add!(ExperimentalServiceServer, experimental);
    let watching = watch::WatchServices::new(context, watch);
    add!(WatchServiceServer, watching.clone());

    add!(KilwaWatchServiceServer, watching);
    ServiceMiddleware { options: edge, checks: DirectChecks(permissions) }
}
