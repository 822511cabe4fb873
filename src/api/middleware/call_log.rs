//! One log line for each call: at `debug` for the usual ones, higher for slow ones, for those that were refused
//! and for those that the server failed.

use crate::api::middleware::call_span;
use crate::api::middleware::operations::{CallWork, Operations};
use crate::api::status;
use crate::metrics::MethodCalls;
use crate::telemetry::Throttle;
use crate::traces::ActiveSpan;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::codegen::http::Uri;
use tonic::codegen::http::header::{HeaderMap, HeaderValue};
use tonic::{Code, Status};
use tonic_types::StatusExt;
use tracing::Level;

/// How many lines above `debug` there are in a second at most, so that a failing disk does not fill another one.
const LINES_MAX: u32 = 20;

/// The target that a filter such as `--log-level info,kilwa::calls=debug` names.
const TARGET: &str = "kilwa::calls";

/// The digits of a trace's id.
const TRACE_ID_DIGITS: usize = 32;
/// The reason with which writes to a read-only server are refused.
const READ_ONLY: &str = "SERVICE_READ_ONLY";
/// The most characters of what a client has chosen that a line or a record has: an id, a path.
const SHOWN_CHARS_MAX: usize = 256;

/// Writes the line of a call when the call ends, also when it ends because the client went away.
#[derive(Debug)]
pub(crate) struct CallLog {
    uri: Uri,
    request_id: Option<HeaderValue>,
    origin: CallOrigin,
    /// The span of a call that is sampled.
    span: Option<ActiveSpan>,
    work: Option<Operations>,
    started: Instant,
    /// From when on the call counts as slow; nothing for calls that are meant to take long.
    slow_after: Option<Duration>,
    calls: Arc<MethodCalls>,
    is_ended: bool,
}

/// Where a call comes from, as far as it is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallOrigin {
    /// The name of the key or certificate.
    pub(crate) caller: Option<Arc<str>>,
    /// The address of the other end of the connection.
    pub(crate) peer: Option<SocketAddr>,
    /// The header `traceparent` of the W3C.
    pub(crate) traceparent: Option<HeaderValue>,
    /// When it arrived.
    pub(crate) arrived: Option<Instant>,
}

impl CallOrigin {
    /// The id of the caller's trace.
    fn trace_id(&self) -> Option<&str> {
        let text = self.traceparent.as_ref()?.to_str().ok()?;
        let id = text.split('-').nth(1)?;
        let is_hexadecimal = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        (id.len() == TRACE_ID_DIGITS && id.bytes().all(is_hexadecimal)).then_some(id)
    }
}

/// Where the status of a call is read from.
#[derive(Clone, Copy)]
enum StatusSource<'h> {
    /// It is known: a code and its message.
    Own(Code, &'static str),
    /// From headers or trailers.
    Headers(&'h HeaderMap),
}

impl StatusSource<'_> {
    /// The code alone, which costs no more than to look at one header.
    fn code(self) -> Code {
        match self {
            Self::Own(code, _) => code,
            Self::Headers(headers) => code_of(headers),
        }
    }

    /// The whole status. Headers are copied and decoded for it.
    fn decode(self) -> EndStatus {
        let status = match self {
            Self::Own(code, message) => Some(Status::new(code, message)),
            Self::Headers(headers) => Status::from_header_map(headers),
        };
        let info = status.as_ref().and_then(StatusExt::get_details_error_info);
        let reason = info.map_or_else(String::new, |info| short_reason(&info.reason).to_owned());
        EndStatus {
            code: self.code(),
            message: status.map_or_else(String::new, |status| status.message().to_owned()),
            reason,
        }
    }
}

/// How the status of a call reads in its line.
struct EndStatus {
    code: Code,
    message: String,
    reason: String,
}

impl EndStatus {
    /// Whether this is what every client receives when the server stops or takes no writes: no news to its operator.
    fn is_expected(&self) -> bool {
        self.reason == READ_ONLY || self.message == status::SHUTTING_DOWN
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallSeverity {
    Usual,
    Slow,
    Refused,
    Failure,
}

impl CallLog {
    /// The log of a call that starts when it arrived, or else now.
    pub(crate) fn start(
        uri: Uri,
        request_id: Option<HeaderValue>,
        origin: CallOrigin,
        slow_after: Option<Duration>,
        calls: Arc<MethodCalls>,
    ) -> Self {
        let started = origin.arrived.unwrap_or_else(Instant::now);
        Self {
            uri,
            request_id,
            origin,
            span: None,
            work: None,
            started,
            slow_after,
            calls,
            is_ended: false,
        }
    }

    /// Ends this span with the call.
    pub(crate) fn trace(&mut self, span: Option<ActiveSpan>) {
        self.span = span;
    }

    /// The span of the call, if it is sampled.
    pub(crate) fn span(&self) -> Option<&ActiveSpan> {
        self.span.as_ref()
    }

    /// The id of the trace: that of the span, or else that of the caller's.
    pub(crate) fn trace_id(&self) -> Option<String> {
        let caller = || self.origin.trace_id().map(str::to_owned);
        self.span.as_ref().map(ActiveSpan::trace_id).or_else(caller)
    }

    /// The path of its method.
    pub(crate) fn path(&self) -> &str {
        self.uri.path()
    }

    /// The id of the call.
    pub(crate) fn request_id(&self) -> Option<&HeaderValue> {
        self.request_id.as_ref()
    }

    /// The same for the trailers, after the log has ended.
    pub(crate) fn take_request_id(&mut self) -> Option<HeaderValue> {
        self.request_id.take()
    }

    /// The address from which the call came.
    pub(crate) fn peer(&self) -> Option<SocketAddr> {
        self.origin.peer
    }

    /// When the call arrived.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Notes who calls.
    pub(crate) fn identify(&mut self, caller: Arc<str>) {
        self.origin.caller = Some(caller);
    }

    /// Notes the work that the response takes.
    pub(crate) fn note_work(&mut self, work: Operations) {
        self.work = Some(work);
    }

    /// The work that the response takes, as far as it is known.
    pub(crate) fn work(&self) -> Option<&Operations> {
        self.work.as_ref()
    }

    /// Ends the log of a call that was answered. Returns how long it took.
    pub(crate) fn end_well(&mut self) -> Duration {
        self.write(StatusSource::Own(Code::Ok, ""))
    }

    /// Ends the log with the status that these headers hold. Returns how long the call took.
    pub(crate) fn end(&mut self, headers: &HeaderMap) -> Duration {
        self.write(StatusSource::Headers(headers))
    }

    fn write(&mut self, source: StatusSource<'_>) -> Duration {
        self.is_ended = true;
        let (code, elapsed) = (source.code(), self.started.elapsed());
        self.calls.record(code.into(), elapsed);
        let is_expected = code == Code::Unavailable && source.decode().is_expected();
        let is_slow = self.slow_after.is_some_and(|slow| elapsed >= slow);
        let severity = if is_expected { CallSeverity::Usual } else { severity(code, is_slow) };

        // Most calls have neither line nor span, and when the server is overloaded most are refused: their status is not
        // decoded, which costs as much as to refuse them.
        let suppressed = severity.admit_line(self.started + elapsed);
        if suppressed.is_none() && self.span.is_none() {
            return elapsed;
        }
        let status = source.decode();
        if let Some(suppressed) = suppressed {
            self.write_line(severity, &status, elapsed, suppressed);
        }
        // After the line, which has the id of its trace.
        if let Some(span) = self.span.take() {
            // Other texts may name what the caller sent.
            let is_own = status.reason.is_empty() && is_own_text(code);
            let reason = if is_own { &status.message } else { &status.reason };
            let id = self.request_id.as_ref();
            let caller = (self.origin.caller.take(), self.origin.peer, id);
            call_span::end(span, (code, reason), elapsed, caller, self.work.as_ref());
        }
        elapsed
    }

    fn write_line(
        &self,
        severity: CallSeverity,
        status: &EndStatus,
        elapsed: Duration,
        suppressed: u64,
    ) {
        let EndStatus { code, message, reason } = status;
        let rpc = bounded(self.uri.path());
        let request_id = shown_id(self.request_id.as_ref());
        let (trace_id, key) = (self.trace_id(), self.origin.caller.as_deref());
        let peer = self.origin.peer.map(tracing::field::display);
        let duration_ms = elapsed.as_secs_f64() * 1e3;
        // The text of what a caller caused names objects and relationships, which only `debug` may show.
        let shows_text = is_own_text(*code) || tracing::enabled!(target: TARGET, Level::DEBUG);
        let status_message = shows_text.then_some(message).filter(|text| !text.is_empty());

        match severity {
            CallSeverity::Usual => {
                let status_message = message;
                tracing::debug!(target: TARGET, rpc, request_id, trace_id, key, peer, ?code, reason, status_message, duration_ms, "call");
            }
            CallSeverity::Failure => {
                tracing::warn!(target: TARGET, rpc, request_id, trace_id, key, peer, ?code, reason, status_message, duration_ms, suppressed, "call failed");
            }
            CallSeverity::Slow => {
                let CallWork { visits, cached, reads, depth } =
                    self.work.as_ref().map(Operations::work).unwrap_or_default();
                tracing::info!(target: TARGET, rpc, request_id, trace_id, key, peer, ?code, reason, status_message, duration_ms, depth, visits, reads, cached, suppressed, "slow call");
            }
            CallSeverity::Refused => {
                tracing::info!(target: TARGET, rpc, request_id, trace_id, key, peer, ?code, reason, status_message, duration_ms, suppressed, "refused call");
            }
        }
    }
}

impl CallSeverity {
    /// Whether a call of this severity has a line now; if so, how many lines were left out since the last one.
    fn admit_line(self, now: Instant) -> Option<u64> {
        // Apart, so that calls that are refused for good reason do not hide those that the server failed.
        static NOTABLE: Throttle = Throttle::new(LINES_MAX, Duration::from_secs(1));
        static FAILURES: Throttle = Throttle::new(LINES_MAX, Duration::from_secs(1));
        match self {
            Self::Usual => tracing::enabled!(target: TARGET, Level::DEBUG).then_some(0),
            Self::Slow | Self::Refused => NOTABLE.admit(now.into_std()),
            Self::Failure => FAILURES.admit(now.into_std()),
        }
    }
}

impl Drop for CallLog {
    fn drop(&mut self) {
        if !self.is_ended {
            self.write(StatusSource::Own(Code::Cancelled, "the client went away"));
        }
    }
}

/// The code with which a call ends that has these headers or trailers.
pub(super) fn code_of(headers: &HeaderMap) -> Code {
    let code = headers.get(Status::GRPC_STATUS);
    code.map_or(Code::Unknown, |code| Code::from_bytes(code.as_bytes()))
}

/// A reason as it is logged: nothing for the one that says that there is none.
fn short_reason(reason: &str) -> &str {
    let short = reason.strip_prefix("ERROR_REASON_").unwrap_or(reason);
    if short == "UNSPECIFIED" { "" } else { short }
}

/// Whether the text of a status is about the server and not about what a caller sent.
fn is_own_text(code: Code) -> bool {
    matches!(code, Code::Unknown | Code::Internal | Code::DataLoss | Code::Unavailable)
}

fn severity(code: Code, is_slow: bool) -> CallSeverity {
    match code {
        Code::Unknown | Code::Internal | Code::DataLoss => CallSeverity::Failure,
        Code::Unavailable
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::ResourceExhausted => CallSeverity::Refused,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented => {
            if is_slow {
                CallSeverity::Slow
            } else {
                CallSeverity::Usual
            }
        }
    }
}

/// The id of a call as logs and records have it. The client chooses it, so it is bounded.
pub(super) fn shown_id(id: Option<&HeaderValue>) -> &str {
    bounded(id.and_then(|id| id.to_str().ok()).unwrap_or_default())
}

/// The start of a text that a client has sent.
fn bounded(text: &str) -> &str {
    text.char_indices().nth(SHOWN_CHARS_MAX).map_or(text, |(end, _)| text.split_at(end).0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_and_a_read_only_server_are_no_news() {
        let of = |code, message: &str, reason: &str| {
            let (message, reason) = (message.to_owned(), reason.to_owned());
            EndStatus { code, message, reason }.is_expected()
        };
        assert!(of(Code::Unavailable, status::SHUTTING_DOWN, ""));
        assert!(of(Code::Unavailable, "read-only", READ_ONLY));
        assert!(!of(Code::Unavailable, "the disk is full", ""));
        assert_eq!(severity(Code::Unavailable, false), CallSeverity::Refused);
        assert_eq!(severity(Code::PermissionDenied, false), CallSeverity::Refused);
        assert_eq!(severity(Code::InvalidArgument, false), CallSeverity::Usual);
    }

    #[test]
    fn a_trace_id_is_taken_from_a_valid_header_alone() {
        let of = |text: &'static str| {
            let traceparent = Some(HeaderValue::from_static(text));
            CallOrigin { traceparent, ..CallOrigin::default() }.trace_id().map(str::to_owned)
        };
        let id = "0af7651916cd43dd8448eb211c80319c";
        assert_eq!(
            of("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01").as_deref(),
            Some(id)
        );
        for wrong in ["", "00", "00-xyz-1-01", "00-0AF7651916CD43DD8448EB211C80319C-1-01"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
