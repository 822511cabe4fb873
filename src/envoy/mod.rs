//! External authorization of Envoy (`ext_authz` over gRPC): a proxy asks about requests, and a mapping file says what to check.
//!
//! A request is read into an `AskedRequest`; the first rule that fits it makes a check of it, which is a call inside the
//! process by the same caller; the result is a `Verdict`, and that a message for the proxy.
//!
//! Invariant: everything that goes wrong is a denial. A header with a result of the check, for the upstream service, is never the client's.

mod asked_request;
mod authorization;
mod id_template;
mod mapping;
mod path_pattern;
mod request_path;
mod rule;
mod subject_source;
mod verdict;

pub use authorization::ExtAuthz;
pub use mapping::{ExtAuthzMapping, read_mapping};
