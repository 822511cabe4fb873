//! Calls that are answered from the bytes of their message, before they reach their service.
//!
//! A fast path answers what is usual, with the bytes that the service would send. It leaves everything else to the service, which
//! then gets the call as it came.

use crate::api::middleware::intake::CountedBody;
use crate::api::middleware::operations::Operations;
use tonic::codegen::Bytes;
use tonic::codegen::http::{Extensions, Request};

/// Answers usual calls of a service.
pub(crate) trait FastPath: Send + Sync {
    /// Whether a call may be a usual one, by its headers.
    fn covers(&self, request: &Request<CountedBody>) -> bool;

    /// The answer to a message, or `None` for the service. The service finds in the extensions what need not be tried again.
    fn answer(&self, extensions: &mut Extensions, message: &[u8]) -> Option<EncodedAnswer>;
}

/// The message of a response.
pub(crate) struct EncodedAnswer {
    /// With its flag and its length before it.
    pub(crate) message: Bytes,
    /// What it took.
    pub(crate) work: Operations,
}
