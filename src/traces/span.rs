//! What a call leaves when it ends, and the span that is made of it.

use super::methods::TracedMethod;
use opentelemetry::trace::{
    SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState,
};
use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// The codes that the semantic conventions count as errors of a server: unknown, deadline exceeded, unimplemented, internal,
/// unavailable and data loss. The others are answers that a caller can cause.
const SERVER_ERRORS: [i32; 6] = [2, 4, 12, 13, 14, 15];

/// How a call ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanEnd {
    /// Its gRPC code.
    pub code: i32,
    /// Why it failed, in words that name no object; empty where nothing is known.
    pub reason: String,
    /// How long it took.
    pub duration: Duration,
    /// The name of its caller.
    pub caller: Option<Arc<str>>,
    /// The address of the other end of the connection.
    pub peer: Option<SocketAddr>,
    /// Its request id.
    pub request_id: Option<String>,
    /// The work that it took, where it evaluated something.
    pub work: Option<SpanWork>,
}

/// The work of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SpanWork {
    /// The longest path, in relations and permissions.
    pub depth: u64,
    /// Relations and permissions that were visited.
    pub visits: u64,
    /// Reads of relationships.
    pub reads: u64,
    /// Intermediate results that were taken from the cache.
    pub cache_hits: u64,
}

/// An ended call that is to be exported.
#[derive(Debug)]
pub(super) struct SpanRecord {
    pub(super) trace_id: u128,
    pub(super) span_id: u64,
    pub(super) parent: Option<u64>,
    pub(super) state: Option<String>,
    pub(super) started: Duration,
    pub(super) method: Arc<TracedMethod>,
    pub(super) token: Option<String>,
    pub(super) end: SpanEnd,
}

impl SpanRecord {
    /// The span for the exporter.
    pub(super) fn into_span(self, scope: &InstrumentationScope) -> SpanData {
        let start_time = SystemTime::UNIX_EPOCH + self.started;
        let state = self.state.as_deref().and_then(|state| state.parse::<TraceState>().ok());
        let context = SpanContext::new(
            TraceId::from(self.trace_id),
            SpanId::from(self.span_id),
            TraceFlags::SAMPLED,
            false,
            state.unwrap_or_default(),
        );

        SpanData {
            span_context: context,
            parent_span_id: self.parent.map_or(SpanId::INVALID, SpanId::from),
            parent_span_is_remote: self.parent.is_some(),
            span_kind: SpanKind::Server,
            name: format!("{}/{}", self.method.service, self.method.method).into(),
            start_time,
            end_time: start_time + self.end.duration,
            status: self.status(),
            attributes: self.attributes(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            instrumentation_scope: scope.clone(),
        }
    }

    fn status(&self) -> Status {
        if SERVER_ERRORS.contains(&self.end.code) {
            Status::error(self.end.reason.clone())
        } else {
            Status::Unset
        }
    }

    fn attributes(self) -> Vec<KeyValue> {
        let Self { method, end, token, .. } = self;
        let mut attributes = vec![
            KeyValue::new("rpc.system", "grpc"),
            KeyValue::new("rpc.service", method.service.clone()),
            KeyValue::new("rpc.method", method.method.clone()),
            KeyValue::new("rpc.grpc.status_code", i64::from(end.code)),
        ];
        if let Some(peer) = end.peer {
            attributes.push(KeyValue::new("network.peer.address", peer.ip().to_string()));
            attributes.push(KeyValue::new("network.peer.port", i64::from(peer.port())));
        }

        for (name, text) in [
            ("kilwa.key", end.caller.map(|caller| caller.as_ref().to_owned())),
            ("kilwa.request_id", end.request_id),
            ("kilwa.reason", Some(end.reason).filter(|reason| !reason.is_empty())),
            ("kilwa.revision", token),
        ] {
            attributes.extend(text.map(|text| KeyValue::new(name, text)));
        }
        if let Some(SpanWork { depth, visits, reads, cache_hits }) = end.work {
            for (name, count) in [
                ("kilwa.depth", depth),
                ("kilwa.visits", visits),
                ("kilwa.reads", reads),
                ("kilwa.cache_hits", cache_hits),
            ] {
                attributes.push(KeyValue::new(name, i64::try_from(count).unwrap_or(i64::MAX)));
            }
        }
        attributes
    }
}
