//! The gRPC layer: converts requests, calls the database and converts the results.
//!
//! A call passes the `middleware` (authentication, deadline, memory limits, trailers), `convert` reads its request, a thread of
//! [`Workers`] evaluates it, and `convert` and [`crate::proto`] write the response. `status` maps every error to a gRPC code.
//!
//! - `authzed_v1`, `kilwa_v1`: the services, one file for each service or larger method;
//! - `paging`, `cursor`: streams of results that are read page by page;
//! - `watch`: change streams;
//! - `caller_slots`: bounds the calls of each caller that last as long as their clients like;
//! - `overload`: refuses calls beyond what the server can answer in time;
//! - `token`: `ZedToken`s and consistency.
//!
//! Invariant: no module below this one sees a message or knows a gRPC code.

mod authzed_v1;
mod bounded_stream;
mod bulk_end;
mod call_access;
mod caller_slots;
mod client_certificate;
mod collection_totals;
mod context;
mod convert;
mod cursor;
mod database_slot;
mod error_metadata;
mod fault;
mod kilwa_v1;
mod middleware;
mod overload;
mod paging;
mod request_limits;
mod sealed_token;
mod services;
mod spicedb_token;
mod status;
mod token;
mod watch;
mod work_slots;
mod workers;
mod writes;

pub(crate) use bulk_end::{BulkEnd, LastAnswer};
pub use client_certificate::ClientCertificate;
pub use collection_totals::CollectionTotals;
pub use middleware::auth::{CallerName, Keys, shown_key};
pub use middleware::call_ending::{PeerAddress, RequestIds, refuse};
pub use middleware::layer::Admission;
pub use middleware::unwanted_body::discard_rest;
pub use overload::{CallArrival, ConnectionCaller, OverloadOptions, OverloadStatus};
pub(crate) use overload::{CallTurn, ConcurrencyLimiter};
pub use request_limits::RequestLimits;
pub(crate) use sealed_token::hash as text_hash;
pub use services::{
    ApiOptions, DirectChecks, HEALTH_NAMES, ServiceMiddleware, WRITES_HEALTH, add_services,
};
pub(crate) use status::{NO_KEY, WRONG_KEY, broken_off, text_rule};
pub use watch::send_queue::WatchOptions;
pub use workers::{Clock, Workers};
