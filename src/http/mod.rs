//! What is served over HTTP beside gRPC.
//!
//! - `gateway`: every method as JSON, at the routes that the protocol's descriptors name.
//! - `openapi`: the document that describes all routes.
//! - `authzen`: the Authorization API of the OpenID Foundation.
//!
//! Everything calls the gRPC services inside the process, so that keys, deadlines, limits, ids and log lines are those of the
//! middleware.

mod authzen;
mod cors;
mod endpoints;
mod failure;
mod gateway;
mod grpc_call;
mod headers;
mod health;
mod json_output;
mod openapi;
mod options;
mod request_body;

pub use authzen::{AuthzenError, BaseUrlError};
pub use endpoints::{Endpoints, EndpointsError};
pub use failure::HttpLimit;
pub use gateway::RouteError;
pub use options::{AuthzenOptions, HttpOptions};
