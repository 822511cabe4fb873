//! Headers of requests and responses that several files know.

use tonic::codegen::http::header::{HeaderName, HeaderValue};

/// The type of every answer that is not empty.
pub(super) const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// The id of a request, from the client or the server.
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
