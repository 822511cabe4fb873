//! The gRPC door: translate, ask, translate.
//!
//! A call passes the `edge` (keys, deadline, trailers), is read by `from_proto`, answered on a thread of [`Workers`] and
//! written by `to_proto`. Errors of the rooms below become statuses in one table, `status`.
//!
//! Invariant: no message goes further down than this room, and nothing below knows a gRPC code.

pub mod proto;

mod auth;
mod bulk;
mod bytes;
mod call_log;
mod codec;
mod compression;
mod core;
mod counters;
mod cursor;
mod debug;
mod debug_trailer;
mod delete;
mod edge;
mod expand;
mod experimental;
mod export;
mod feed;
mod follow;
mod from_proto;
mod grpc_message;
mod import;
mod intake;
mod lookup_resources;
mod lookup_service;
mod lookup_subjects;
mod outbox;
mod own_permissions;
mod parts;
mod permissions;
mod read;
mod reflection;
mod relationships;
mod reopening;
mod report;
mod schema;
mod shapes;
mod status;
mod stream;
mod to_proto;
mod token;
mod validation;
mod watch;
mod workers;
mod writes;

pub use auth::{Keys, KeysError, shown_key};
pub use debug::CUT_SOURCE;
pub use edge::{Admission, RequestIds, refuse};
pub use from_proto::RequestLimits;
pub use outbox::WatchOptions;
pub use workers::{Clock, Workers};

use self::core::Core;
use debug::Teller;
use edge::{Edge, EdgeOptions};
use intake::Budget;
use proto::authzed::api::v1::experimental_service_server::ExperimentalServiceServer;
use proto::authzed::api::v1::permissions_service_server::PermissionsServiceServer;
use proto::authzed::api::v1::schema_service_server::SchemaServiceServer;
use proto::authzed::api::v1::watch_service_server::WatchServiceServer;
use proto::kilwa::v1::lookup_service_server::LookupServiceServer;
use proto::kilwa::v1::permissions_service_server::PermissionsServiceServer as OwnPermissionsServer;
use proto::kilwa::v1::relationships_service_server::RelationshipsServiceServer;
use proto::kilwa::v1::validation_service_server::ValidationServiceServer;
use proto::kilwa::v1::watch_service_server::WatchServiceServer as OwnWatchServiceServer;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use token::Tokens;
use tonic::codec::CompressionEncoding::Gzip;
use tonic::service::RoutesBuilder;

/// The largest message that is read, in bytes: a schema of 4 MiB, or a validation file with what it refers to. Most methods
/// take less, see `intake`.
const MESSAGE_BYTES_MAX: usize = 16 << 20;

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

/// What the services need to know.
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
            .finish_non_exhaustive()
    }
}

/// Adds every service of Kilwa to a server's routes. They answer from the workers' database.
pub fn add_services(routes: &mut RoutesBuilder, workers: &Arc<Workers>, options: ApiOptions) {
    let ApiOptions { keys, limits, import_idle_max, watch, request_ids, slow_call, .. } = options;
    let (idle_max, client_max) = (options.stream_idle_max, options.stream_client_wait_max);
    let budget = Arc::new(Budget::new(limits.all_bytes_max));
    let edge = EdgeOptions { keys: Arc::new(keys), request_ids, slow_call, budget };
    let core = Core {
        workers: Arc::clone(workers),
        tokens: Tokens::new(workers.store_bytes()),
        teller: Teller::new(workers.store_bytes(), Arc::clone(&edge.request_ids)),
        limits,
        streams: stream::Patience { idle_max, client_max },
        import_idle_max,
    };
    macro_rules! add {
        ($server:ident, $service:expr) => {
            let server = $server::new($service)
                .max_decoding_message_size(MESSAGE_BYTES_MAX)
                .accept_compressed(Gzip);
            routes.add_service(Edge::new(server, edge.clone()));
        };
    }
    let permissions = permissions::Permissions::new(core.clone());
    let schemas = schema::Schemas::new(core.clone());
    let (stable, schema) = (permissions.clone(), schemas.clone());
    let experimental = experimental::Experimental::new(core.clone(), stable, schema);
    add!(PermissionsServiceServer, permissions);
    add!(SchemaServiceServer, schemas);
    add!(LookupServiceServer, lookup_service::Lookups::new(core.clone()));
    add!(RelationshipsServiceServer, relationships::Relationships::new(core.clone()));
    add!(OwnPermissionsServer, own_permissions::OwnPermissions::new(core.clone()));
    add!(ValidationServiceServer, validation::Validation::new(core.clone()));
    add!(ExperimentalServiceServer, experimental);
    let watching = watch::Watching::new(core, watch);
    add!(WatchServiceServer, watching.clone());
    add!(OwnWatchServiceServer, watching);
}
