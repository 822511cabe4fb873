//! How every call ends: its trailers, and its log line.

use crate::access::{Revocation, Standing, Withheld};
use crate::api::middleware::audit_trail::AuditTrail;
use crate::api::middleware::call_log::{self, CallLog, CallOrigin, shown_id};
use crate::api::middleware::call_span::{self, TRACE_PARENT};
use crate::api::middleware::grpc_message;
use crate::api::middleware::operations::Operations;
use crate::api::overload::{AdmittedCall, CallArrival};
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
/// The trace of a check, for clients that know no field for it.
const DEBUG_INFORMATION: HeaderName = HeaderName::from_static("io.spicedb.respmeta.debuginfo");
/// The status of a call that was answered.
pub(super) const OK: &str = "0";

/// Makes an id for a call that brought none.
pub type RequestIds = Arc<dyn Fn() -> String + Send + Sync>;

/// The address of the other end of a connection, in the extensions of its requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerAddress(pub SocketAddr);

/// How a call ends.
pub(super) struct CallEnding {
    /// Whether the client asks for the version of the server.
    shows_version: bool,
    /// The trace of a check.
    debug_trace: Option<HeaderValue>,
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
    /// Starts the log of a call, and collects what the trailers need that every response has, whatever its result.
    pub(super) fn start(
        request: &Request<Body>,
        request_ids: &RequestIds,
        slow_after: Option<Duration>,
        calls: Arc<MethodCalls>,
        traces: Option<&TraceRecorder>,
    ) -> Self {
        let headers = request.headers();
        let generate = || HeaderValue::try_from(request_ids()).ok();
        let mut request_id = headers.get(REQUEST_ID).cloned().or_else(generate);
        if let Some(id) = &mut request_id {
            // Sent as it is: HTTP/2 would put it into the table of headers that come again, which it never does.
            id.set_sensitive(true);
        }

        let origin = CallOrigin {
            caller: None,
            peer: request.extensions().get().map(|PeerAddress(peer)| *peer),
            traceparent: headers.get(TRACE_PARENT).cloned(),
            arrived: request.extensions().get().map(|CallArrival { at, .. }| *at),
        };
        let mut log = CallLog::start(request.uri().clone(), request_id, origin, slow_after, calls);
        if let Some(traces) = traces {
            log.trace(call_span::begin(traces, request));
        }

        Self {
            shows_version: headers.contains_key(VERSION_REQUESTED),
            debug_trace: None,
            admitted: None,
            log,
            withheld: None,
            standing: None,
            audit: None,
        }
    }

    /// Leaves something out of the text of an error.
    pub(super) fn withhold(&mut self, withheld: Option<Withheld>) {
        self.withheld = withheld;
    }

    /// Notes who calls.
    pub(super) fn identify(&mut self, caller: Arc<str>) {
        self.log.identify(caller);
    }

    /// Notes the work that the response takes.
    pub(super) fn note_work(&mut self, work: Operations) {
        self.log.note_work(work);
    }

    /// Adds the trace of a check to the trailers.
    pub(super) fn add_trace(&mut self, trace: HeaderValue) {
        self.debug_trace = Some(trace);
    }

    /// Starts the record of the call for an audit log.
    pub(super) fn start_audit(&mut self, slot: AuditSlot, caller: Option<Arc<str>>) {
        let request = (self.log.path(), shown_id(self.log.request_id()));
        let (started, origin) = (self.log.started(), (caller, self.log.peer()));
        self.audit = Some(AuditTrail::start(slot, started, request, origin, self.log.trace_id()));
    }

    /// Whether the call has a span that is exported.
    pub(super) fn is_sampled(&self) -> bool {
        self.log.span().is_some()
    }

    /// The body of the response, whose token the span of the call shows, if there is one.
    pub(super) fn traced(&self, body: Body) -> Body {
        match self.log.span() {
            Some(span) => call_span::noting_token(span, body),
            None => body,
        }
    }

    /// Notes some bytes of the response: its client waits no longer for the first of them, and the record of the call has them.
    pub(super) fn note_response(&mut self, bytes: &[u8]) {
        if let Some(admitted) = &mut self.admitted {
            admitted.waits_no_longer();
        }
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
        let id = shown_id(self.log.request_id());
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
            audit.end(call_log::code_of(headers).into(), duration);
        }
        self.add_trailers(headers);
    }

    fn add_trailers(&mut self, headers: &mut HeaderMap) {
        // The number of steps shows what lies behind an answer, also outside of what a caller may see.
        let shown = self.log.work().filter(|_| self.withheld.is_none());
        Operations::insert_into(shown, headers);
        if let Some(id) = self.log.take_request_id() {
            headers.insert(REQUEST_ID, id);
        }
        if self.shows_version {
            let version = HeaderValue::from_static(concat!("kilwa-", env!("CARGO_PKG_VERSION")));
            headers.insert(VERSION, version);
        }
        if let Some(trace) = self.debug_trace.take() {
            headers.insert(DEBUG_INFORMATION, trace);
        }
    }
}

/// The response to a call that is refused before it reaches a service.
pub fn refuse(status: Status) -> Response<Body> {
    let mut response = status.into_http();
    status::explain(response.headers_mut());
    grpc_message::simplify(response.headers_mut());
    response
}
