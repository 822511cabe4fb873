//! The span of a call: its start from the headers, the token of its response, and its end.

use super::observed_body::observed;
use crate::api::middleware::operations::{CallWork, Operations};
use crate::traces::{ActiveSpan, SpanEnd, SpanWork, TraceRecorder};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;
use tonic::Code;
use tonic::body::Body;
use tonic::codegen::http::Request;
use tonic::codegen::http::header::{HeaderMap, HeaderName, HeaderValue};

pub(super) const TRACE_PARENT: HeaderName = HeaderName::from_static("traceparent");
const TRACE_STATE: HeaderName = HeaderName::from_static("tracestate");
/// Longer headers `tracestate` are left out, as the W3C allows.
const STATE_BYTES_MAX: usize = 512;

/// The span of a call that begins with this request, if it is sampled.
pub(super) fn begin(recorder: &TraceRecorder, request: &Request<Body>) -> Option<ActiveSpan> {
    let headers = request.headers();
    let parent = headers.get(TRACE_PARENT).and_then(|parent| parent.to_str().ok());
    recorder.begin(request.uri().path(), parent, || state(headers))
}

/// The headers `tracestate` as one.
fn state(headers: &HeaderMap) -> Option<String> {
    let lists = headers.get_all(TRACE_STATE).iter().map(HeaderValue::to_str);
    let state = lists.collect::<Result<Vec<_>, _>>().ok()?.join(",");
    (!state.is_empty() && state.len() <= STATE_BYTES_MAX).then_some(state)
}

/// Ends a span with its call. `reason` names no object.
pub(super) fn end(
    span: ActiveSpan,
    (code, reason): (Code, &str),
    duration: Duration,
    (caller, peer, request_id): (Option<Arc<str>>, Option<SocketAddr>, Option<&HeaderValue>),
    work: Option<&Operations>,
) {
    let work = work.map(Operations::work).map(|CallWork { visits, cached, reads, depth }| {
        SpanWork { depth, visits, reads, cache_hits: cached }
    });
    span.end(SpanEnd {
        code: code.into(),
        reason: reason.to_owned(),
        duration,
        caller,
        peer,
        request_id: request_id.and_then(|id| id.to_str().ok()).map(str::to_owned),
        work,
    });
}

/// The body of a response whose token is noted for the span.
pub(super) fn noting_token(span: &ActiveSpan, body: Body) -> Body {
    match span.token_slot() {
        Some(slot) => observed(body, move |data| slot.note(data)),
        None => body,
    }
}
