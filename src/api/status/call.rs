//! Calls that the server ends: wrong keys, deadlines, slow clients, shutdown.

use super::details::DOMAIN;
use super::request::unreadable_message;
use crate::access::{Revocation, TokenRefusal};
use crate::engine::EngineError;
use crate::proto::authzed::api::v1::ErrorReason;
use std::collections::HashMap;
use std::fmt;
use std::sync::LazyLock;
use std::time::Duration;
use tonic::body::Body;
use tonic::codegen::http::{HeaderMap, Response};
use tonic::metadata::MetadataValue;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt as _};

/// The metadata by which gRPC's own clients learn when to try again, in milliseconds.
const RETRY_PUSHBACK: &str = "grpc-retry-pushback-ms";

/// What callers read who send no key.
pub(crate) const NO_KEY: &str =
    "invalid preshared key: no key was sent, add the metadata `authorization: Bearer <key>`";

/// What callers read whose key is none of the server's.
pub(crate) const WRONG_KEY: &str = "invalid preshared key: invalid token";

/// The answer to a call without a well-formed key.
pub(crate) fn unauthenticated(message: &'static str) -> Status {
    Status::unauthenticated(message)
}

/// The answer to a call with a key that is not one of the server's.
pub(crate) fn wrong_key() -> Status {
    Status::permission_denied(WRONG_KEY)
}

/// The answer to a call with a token that is not accepted.
pub(crate) fn from_token(refusal: TokenRefusal) -> Status {
    let message = refusal.to_string();
    match refusal {
        TokenRefusal::Roles => Status::permission_denied(message),
        TokenRefusal::NotFetched | TokenRefusal::Fetching => Status::unavailable(message),
        TokenRefusal::Invalid
        | TokenRefusal::Issuer
        | TokenRefusal::IssuerClaim
        | TokenRefusal::Audience
        | TokenRefusal::Time
        | TokenRefusal::Claims
        | TokenRefusal::RepeatedClaim
        | TokenRefusal::Subject
        | TokenRefusal::Algorithm
        | TokenRefusal::Key => Status::unauthenticated(message),
    }
}

/// The end of a stream whose caller may no longer do what it could when the call began.
pub(crate) fn access_revoked(revocation: Revocation) -> Status {
    match revocation {
        Revocation::Changed => Status::permission_denied(
            "the key or a role of the caller has changed since the call began: call again",
        ),
        Revocation::Token(TokenRefusal::Time) => Status::unauthenticated(
            "the token has expired since the call began: call again with a new one",
        ),
        Revocation::Token(refusal) => from_token(refusal),
    }
}

/// The answer to a call that the audit log has no room for.
pub(crate) fn audit_full() -> Status {
    Status::unavailable(
        "the audit log has no room for the record of this call, so it was refused: try again",
    )
}

/// The answer to a call whose deadline has passed.
pub(crate) fn deadline_passed() -> Status {
    Status::deadline_exceeded("the deadline of the call has passed")
}

/// The end of a request that its client has broken off.
pub(crate) fn broken_off(reason: impl fmt::Display) -> Status {
    Status::cancelled(format!("the client broke off the request: {reason}"))
}

/// Whether a request ended because its client broke it off.
pub(crate) fn is_broken_off(error: &Status) -> bool {
    error.code() == Code::Cancelled
}

/// The end of the messages of a request that could not be received, for those who read them.
pub(crate) fn broken_request(error: Status) -> Status {
    if is_broken_off(&error) {
        // Tonic takes that for the end of the messages: an import would be committed without its rest.
        return Status::aborted(error.message());
    }
    error
}

/// How a call ends whose response has these headers, where that is not what they say: it failed because its client broke off
/// the request, or with a status of the library, which takes a message that it cannot read for a fault of the server.
pub(crate) fn fault_of_request(
    headers: &HeaderMap,
    broken_off: Option<&Status>,
    has_own_status: bool,
) -> Option<Status> {
    // Looked at first, because reading a status copies all headers.
    let code = Code::from_bytes(headers.get(Status::GRPC_STATUS)?.as_bytes());
    match broken_off {
        _ if code == Code::Ok => None,
        Some(status) => Some(status.clone()),
        None if has_own_status => None,
        None => Status::from_header_map(headers)
            .map(unreadable_message)
            .filter(|status| status.code() != code),
    }
}

/// The end of work whose caller no longer waits for it.
pub(crate) fn interrupted() -> Status {
    Status::cancelled(EngineError::Interrupted.to_string())
}

/// The end of a stream whose next result takes too long.
pub(crate) fn stream_idle(idle_max: Duration) -> Status {
    Status::deadline_exceeded(format!(
        "operation took longer than allowed {idle_max:?} to complete"
    ))
}

/// The end of a stream whose client receives the results too slowly.
pub(crate) fn client_too_slow(client_max: Duration) -> Status {
    Status::deadline_exceeded(format!(
        "the client took the results too slowly: the stream waited for it for more than {client_max:?} in total; continue from the last cursor"
    ))
}

/// The end of a watch whose client receives the changes too slowly.
pub(crate) fn watcher_too_slow(buffer_length: u32, write_timeout: Duration) -> Status {
    Status::resource_exhausted(format!(
        "watch disconnected: the client did not take its changes in time ({buffer_length} waited for {write_timeout:?}); resume from the last `changes_through`"
    ))
}

/// The answer to an import whose client sends nothing.
pub(crate) fn import_idle(idle_max: Duration) -> Status {
    Status::deadline_exceeded(format!(
        "the import was given up, because the client sent nothing for {idle_max:?}; nothing was imported"
    ))
}

/// The answer to a call that waited too long for a database that is being reopened.
pub(crate) fn reopening() -> Status {
    Status::unavailable("the data folder is being opened again after a failed write: try again")
}

/// The answer to a call beyond what the server can answer in time.
///
/// A server with too much load refuses more calls than it answers, so that all of it is prepared. Different delays are few,
/// and so HTTP/2 has to send each of them to a connection only once.
#[derive(Clone, Copy, Debug)]
pub(crate) struct OverloadRefusal {
    delay: usize,
}

/// The delay that a refused client gets: between this and twice as long, so that refused calls do not return together.
const RETRY_DELAY: Duration = Duration::from_millis(100);
/// How many different delays there are.
const DELAYS: u32 = 8;

/// The headers of the response with each delay.
static OVERLOADED: LazyLock<Vec<HeaderMap>> = LazyLock::new(|| {
    let delays = (0..DELAYS).map(|number| RETRY_DELAY + RETRY_DELAY * number / DELAYS);
    delays.map(|delay| overloaded(delay).into_http::<Body>().into_parts().0.headers).collect()
});

impl OverloadRefusal {
    /// The refusal with a number that rises from one to the next.
    pub(crate) fn new(number: u64) -> Self {
        Self { delay: usize::try_from(number % u64::from(DELAYS)).unwrap_or(0) }
    }

    /// The refusal as a response.
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response = Response::new(Body::empty());
        if let Some(headers) = OVERLOADED.get(self.delay) {
            response.headers_mut().clone_from(headers);
        }
        response
    }

    /// The refusal as a status.
    pub(crate) fn into_status(self) -> Status {
        let headers = OVERLOADED.get(self.delay);
        headers.and_then(Status::from_header_map).unwrap_or_else(|| overloaded(RETRY_DELAY))
    }
}

fn overloaded(retry_after: Duration) -> Status {
    let mut details = ErrorDetails::with_error_info(
        ErrorReason::Unspecified.as_str_name(),
        DOMAIN,
        HashMap::new(),
    );
    details.set_retry_info(Some(retry_after));
    let message = "the server is overloaded: try again after the delay in the details";
    let mut status = Status::with_error_details(Code::ResourceExhausted, message, details);
    let milliseconds = u64::try_from(retry_after.as_millis()).unwrap_or(u64::MAX);
    status.metadata_mut().insert(RETRY_PUSHBACK, MetadataValue::from(milliseconds));
    status
}

/// The answer to a call that is refused before its request is read.
#[derive(Debug)]
pub(crate) enum CallRefusal {
    /// Because of the load.
    Overload(OverloadRefusal),
    /// For another reason.
    Other(Status),
}

impl CallRefusal {
    /// The refusal as a response.
    pub(crate) fn into_response(self) -> Response<Body> {
        match self {
            Self::Overload(refusal) => refusal.into_response(),
            Self::Other(status) => status.into_http(),
        }
    }
}

impl From<Status> for CallRefusal {
    fn from(status: Status) -> Self {
        Self::Other(status)
    }
}

/// The answer to a call of a key with too many calls in progress.
pub(crate) fn too_many_calls_of_key(max: u32) -> Status {
    Status::resource_exhausted(format!(
        "{max} calls with this key are in progress, which is the maximum (`--max-calls-per-key`): wait until one has ended"
    ))
}

/// The answer to an import of a caller with too many open imports.
pub(crate) fn too_many_imports_of_key(max: u32) -> Status {
    Status::resource_exhausted(format!(
        "{max} imports with this key are open, which is the maximum (`--max-bulk-imports-per-key`): wait until one has ended, or send the relationships in one of them"
    ))
}

/// The answer to a watch of a caller with too many open watches.
pub(crate) fn too_many_watches_of_key(max: u32) -> Status {
    Status::resource_exhausted(format!(
        "{max} watches with this key are open, which is the maximum (`--max-watches-per-key`): end one of them, or watch several types or filters with one"
    ))
}

/// The answer to a call that comes while the server stops.
pub(crate) fn shutting_down() -> Status {
    Status::unavailable(SHUTTING_DOWN)
}

/// What clients read when the server stops.
pub(crate) const SHUTTING_DOWN: &str = "the server is shutting down";

/// The answer to a call whose work panicked.
pub(crate) fn panicked() -> Status {
    server_fault("the request was not finished because of a fault in the server")
}

/// The answer to a call that failed because of a bug.
pub(crate) fn server_fault(message: &'static str) -> Status {
    Status::internal(message)
}
