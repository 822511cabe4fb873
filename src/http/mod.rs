//! What is served over HTTP beside gRPC.
//!
//! - `gateway`: every method as JSON, at the routes that the protocol's descriptors name.
//!
//! Everything calls the gRPC services inside the process, so that keys, deadlines, limits, ids and log lines are those of the
//! middleware.

mod cors;
mod endpoints;
mod failure;
mod gateway;
mod grpc_call;
mod headers;
mod health;
mod json_output;
mod options;
mod request_body;

pub use endpoints::Endpoints;
pub use gateway::RouteError;
pub use options::HttpOptions;
