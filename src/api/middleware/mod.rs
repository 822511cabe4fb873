//! Middleware around every service: what applies to each call before and after its handler.

mod audit_trail;
pub(crate) mod auth;
pub(crate) mod call_ending;
pub(crate) mod call_log;
mod call_span;
pub(crate) mod compression;
mod deadline;
pub(crate) mod debug_trailer;
pub(crate) mod fast_path;
pub(crate) mod grpc_message;
pub(crate) mod intake;
pub(crate) mod layer;
pub(crate) mod message_body;
mod metered_body;
mod observed_body;
pub(crate) mod operations;
pub(crate) mod received_body;
mod request_frames;
mod stream_methods;
pub(crate) mod unwanted_body;
