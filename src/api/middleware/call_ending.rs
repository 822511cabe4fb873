//! How every call ends: its trailers, and its log line.

use crate::access::{Revocation, Standing, Withheld};
use crate::api::middleware::audit_trail::AuditTrail;
use crate::api::middleware::call_log::{CallLog, CallOrigin, shown_id};
use crate::api::middleware::call_span::{self, TRACE_PARENT};
use crate::api::middleware::grpc_message;
use crate::api::middleware::operations::Operations;
use crate::api::overload::AdmittedCall;
use crate::api::status;
use crate::audit::AuditSlot;
use crate::metrics::MethodCalls;
use crate::traces::TraceRecorder;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::{HeaderMap, HeaderName, HeaderValue};
use tonic::codegen::http::{Request, Response};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const VERSION_REQUESTED: HeaderName = HeaderName::from_static("io.spicedb.requestversion");
const VERSION: HeaderName = HeaderName::from_static("io.spicedb.debug.version");
/// The status of a call that was answered.
const OK: &str = "0";

/// Makes an id for a call that brought none.
pub type RequestIds = Arc<dyn Fn() -> String + Send + Sync>;

/// The address of the other end of a connection, in the extensions of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// How a call ends.
pub(super) struct CallEnding {
    pub(super) trailers: HeaderMap,
    /// Counts the call as in progress until its response has ended; `None` for calls that are not counted.
    pub(super) admitted: Option<AdmittedCall>,
    log: CallLog,
    /// What the text of an error leaves out.
    withheld: Option<Withheld>,
    /// The caller of a call that lasts long.
    pub(super) standing: Option<Standing>,
    /// The record for the audit log, where there is one.
    pub(super) audit: Option<AuditTrail>,
}

impl CallEnding {
    /// Starts the log of a call, and collects the trailers that every response has, whatever its result.
    pub(super) fn start(
        request: &Request<Body>,
        request_ids: &RequestIds,
        slow_after: Option<Duration>,
        calls: Arc<MethodCalls>,
        traces: Option<&TraceRecorder>,
    ) -> Self {
        let headers = request.headers();
        let mut trailers = HeaderMap::new();
        Operations::default().insert_into(&mut trailers);

        let generate = || HeaderValue::from_str(&request_ids()).ok();
        if let Some(id) = headers.get(REQUEST_ID).cloned().or_else(generate) {
            trailers.insert(REQUEST_ID, id);
        }
        if headers.contains_key(VERSION_REQUESTED) {
            let version = HeaderValue::from_static(concat!("kilwa-", env!("CARGO_PKG_VERSION")));
            trailers.insert(VERSION, version);
        }

        let request_id = trailers.get(REQUEST_ID).cloned();
        let origin = CallOrigin {
            caller: None,
            peer: request.extensions().get().map(|PeerAddress(peer)| *peer),
            traceparent: headers.get(TRACE_PARENT).cloned(),
        };
        let mut log = CallLog::start(request.uri().clone(), request_id, origin, slow_after, calls);
        if let Some(traces) = traces {
            log.trace(call_span::begin(traces, request));
        }
        Self { trailers, admitted: None, log, withheld: None, standing: None, audit: None }
    }

    /// Leaves something out of the text of an error.
    pub(super) fn withhold(&mut self, withheld: Option<Withheld>) {
        self.withheld = withheld;
    }

    /// Whether the response leaves out what tells of data outside of the caller's roles.
    pub(super) fn is_withheld(&self) -> bool {
        self.withheld.is_some()
    }

    /// Notes who calls.
    pub(super) fn identify(&mut self, caller: Arc<str>) {
        self.log.identify(caller);
    }

    /// Notes the work that the response takes.
    pub(super) fn note_work(&mut self, work: Operations) {
        self.log.note_work(work);
    }

    /// Starts the record of the call for an audit log.
    pub(super) fn start_audit(&mut self, slot: AuditSlot, caller: Option<Arc<str>>) {
        let request = (self.log.path(), shown_id(self.trailers.get(REQUEST_ID)));
        let (started, origin) = (self.log.started(), (caller, self.log.peer()));
        self.audit = Some(AuditTrail::start(slot, started, request, origin, self.log.trace_id()));
    }

    /// The body of the response, whose token the span of the call shows, if there is one.
    pub(super) fn traced(&self, body: Body) -> Body {
        match self.log.span() {
            Some(span) => call_span::noting_token(span, body),
            None => body,
        }
    }

    /// Notes some bytes of the response for the record of the call.
    pub(super) fn note_response(&mut self, bytes: &[u8]) {
        if let Some(audit) = &mut self.audit {
            audit.note_response(bytes);
        }
    }

    /// Requires that the caller may still do what it could when the call began.
    pub(super) fn require_current(&mut self) -> Result<(), Revocation> {
        self.standing.as_mut().map_or(Ok(()), Standing::require_current)
    }

    /// When the call arrived.
    pub(super) fn arrived(&self) -> Instant {
        self.log.started()
    }

    /// The span of log lines during the call. At `debug`, because a span costs as much as a small answer.
    pub(super) fn span(&self, request: &Request<Body>) -> tracing::Span {
        let id = shown_id(self.trailers.get(REQUEST_ID));
        tracing::debug_span!("call", rpc = request.uri().path(), request_id = id)
    }

    /// Completes the headers that end the call, and logs it.
    pub(super) fn complete(&mut self, headers: &mut HeaderMap) {
        // Looked at in its raw form first, because reading a status copies all headers.
        let duration = if headers.get(Status::GRPC_STATUS).is_some_and(|code| code == OK) {
            self.log.end_well()
        } else {
            if let Some(withheld) = self.withheld {
                status::withhold(headers, withheld);
            }
            status::explain(headers);
            grpc_message::simplify(headers);
            self.log.end(headers)
        };
        if let Some(mut audit) = self.audit.take() {
            let code =
                headers.get(Status::GRPC_STATUS).and_then(|code| code.to_str().ok()?.parse().ok());
            audit.end(code.unwrap_or_default(), duration);
        }
        headers.extend(std::mem::take(&mut self.trailers));
    }
}

/// The response to a call that is refused before it reaches a service.
pub fn refuse(status: Status) -> Response<Body> {
    let mut response = status.into_http();
    status::explain(response.headers_mut());
    grpc_message::simplify(response.headers_mut());
    response
}
