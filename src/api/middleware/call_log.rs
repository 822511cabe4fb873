//! One log line for each call: at `debug` for the usual ones, higher for slow ones and for those that the server failed.

use crate::metrics::MethodCalls;
use crate::telemetry::Throttle;
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

/// Writes the line of a call when the call ends, also when it ends because the client went away.
#[derive(Debug)]
pub(crate) struct CallLog {
    uri: Uri,
    request_id: Option<HeaderValue>,
    started: Instant,
    /// From when on the call counts as slow; nothing for calls that are meant to take long.
    slow_after: Option<Duration>,
    calls: Arc<MethodCalls>,
    is_ended: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum CallSeverity {
    Usual,
    Notable,
    Failure,
}

impl CallLog {
    /// The log of a call that starts now.
    pub(crate) fn start(
        uri: Uri,
        request_id: Option<HeaderValue>,
        slow_after: Option<Duration>,
        calls: Arc<MethodCalls>,
    ) -> Self {
        Self { uri, request_id, started: Instant::now(), slow_after, calls, is_ended: false }
    }

    /// When the call arrived.
    pub(crate) fn started(&self) -> Instant {
        self.started
    }

    /// Ends the log of a call that was answered.
    pub(crate) fn end_well(&mut self) {
        self.write(Code::Ok, "", "");
    }

    /// Ends the log with the status that these headers hold.
    pub(crate) fn end(&mut self, headers: &HeaderMap) {
        let status = Status::from_header_map(headers);
        let (code, message) =
            status.as_ref().map_or((Code::Unknown, ""), |status| (status.code(), status.message()));
        let info = status.as_ref().and_then(StatusExt::get_details_error_info);
        self.write(code, message, info.as_ref().map_or("", |info| short_reason(&info.reason)));
    }

    fn write(&mut self, code: Code, message: &str, reason: &str) {
        static THROTTLE: Throttle = Throttle::new(LINES_MAX, Duration::from_secs(1));
        self.is_ended = true;
        let elapsed = self.started.elapsed();
        self.calls.record(code.into(), elapsed);
        let severity = severity(code, self.slow_after.is_some_and(|slow| elapsed >= slow));
        let rpc = self.uri.path();
        let request_id = self.request_id.as_ref().and_then(|id| id.to_str().ok());
        let request_id = request_id.unwrap_or_default();

        if severity == CallSeverity::Usual {
            let status_message = message;
            tracing::debug!(target: TARGET, rpc, request_id, ?code, reason, status_message, ?elapsed, "call");
            return;
        }
        // The text of what a caller caused names objects and relationships, which only `debug` may show.
        let shows_text = is_own_text(code) || tracing::enabled!(target: TARGET, Level::DEBUG);
        let status_message = shows_text.then_some(message).filter(|text| !text.is_empty());
        let Some(suppressed) = THROTTLE.admit(Instant::now().into_std()) else { return };
        if severity == CallSeverity::Failure {
            tracing::warn!(target: TARGET, rpc, request_id, ?code, reason, status_message, ?elapsed, suppressed, "call failed");
        } else {
            tracing::info!(target: TARGET, rpc, request_id, ?code, reason, status_message, ?elapsed, suppressed, "slow or refused call");
        }
    }
}

impl Drop for CallLog {
    fn drop(&mut self) {
        if !self.is_ended {
            self.write(Code::Cancelled, "the client went away", "");
        }
    }
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
        Code::Unavailable => CallSeverity::Notable,
        Code::Ok
        | Code::Cancelled
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::ResourceExhausted
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::Unauthenticated => {
            if is_slow {
                CallSeverity::Notable
            } else {
                CallSeverity::Usual
            }
        }
    }
}
