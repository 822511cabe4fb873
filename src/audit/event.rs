//! Records as `CloudEvents`.

use super::options::AuditSource;
use super::record::{CallRecord, CapturedMessage};
use crate::proto::served_descriptors;
use crate::relationship::Timestamp;
use flate2::read::GzDecoder;
use prost_reflect::{DynamicMessage, MessageDescriptor, MethodDescriptor};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::Read as _;

/// The most bytes of a message that came compressed.
const MESSAGE_BYTES_MAX: u64 = 256 << 10;
/// The length of what precedes a message: whether it is compressed, and its length.
const PREFIX_BYTES: usize = 5;
/// The method whose requests have the headers of clients, and so their tokens and cookies: they are left out.
const WITH_CREDENTIALS: &str = "/envoy.service.auth.v3.Authorization/Check";
/// Names of gRPC codes, by number.
const CODES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// Makes events of records.
pub(super) struct EventEncoder {
    /// The source of the events.
    source: String,
    /// Makes ids unlike those of other runs, together with a count.
    run: String,
    count: u64,
    methods: BTreeMap<String, MethodDescriptor>,
}

impl EventEncoder {
    /// Events of a source.
    pub(super) fn new(AuditSource { source, run, .. }: AuditSource) -> Self {
        // The descriptors are part of the program; without them messages would be left out.
        let pool = served_descriptors().unwrap_or_default();
        let mut methods = BTreeMap::new();
        for service in pool.services() {
            for method in service.methods() {
                methods.insert(format!("/{}/{}", service.full_name(), method.name()), method);
            }
        }
        Self { source, run, count: 0, methods }
    }

    /// The line of a record, with its end.
    pub(super) fn line(&mut self, record: &CallRecord) -> String {
        self.count += 1;
        let event = json!({
            "specversion": "1.0",
            "id": format!("{}-{}", self.run, self.count),
            "source": self.source,
            "type": "kilwa.call",
            "time": time(record),
            "subject": record.caller.as_deref().unwrap_or("unknown"),
            "datacontenttype": "application/json",
            "data": self.data(record),
        });
        format!("{event}\n")
    }

    fn data(&self, record: &CallRecord) -> Value {
        let method = self.methods.get(&record.path);
        let shown = method.filter(|_| record.path != WITH_CREDENTIALS);
        let request = shown.and_then(|method| message(&record.request, &method.input()));
        let response = method.and_then(|method| message(&record.response, &method.output()));

        let code = usize::try_from(record.code).ok().and_then(|code| CODES.get(code));
        let mut data = Map::new();
        data.insert("caller".to_owned(), json!(record.caller.as_deref()));
        data.insert("peer".to_owned(), json!(record.peer.map(|peer| peer.to_string())));
        data.insert("method".to_owned(), json!(record.path));
        data.insert("requestId".to_owned(), json!(record.request_id));
        if let Some(trace_id) = &record.trace_id {
            data.insert("traceId".to_owned(), json!(trace_id));
        }
        data.insert("code".to_owned(), json!(code.unwrap_or(&"UNKNOWN")));
        data.insert("durationMs".to_owned(), json!(record.duration.as_secs_f64() * 1e3));

        match request {
            Some(request) => data.insert("request".to_owned(), request),
            // Of a request that is too large, or that was not read.
            None => data.insert("request".to_owned(), Value::Null),
        };
        if let Some(Value::Object(response)) = &response {
            data.extend(revision(response).map(|token| ("revision".to_owned(), json!(token))));
            data.extend(verdict(response).map(|verdict| ("verdict".to_owned(), verdict)));
        }
        Value::Object(data)
    }
}

/// When the call began.
fn time(record: &CallRecord) -> Option<String> {
    let seconds = i64::try_from(record.time.as_secs()).ok()?;
    Timestamp::from_unix(seconds, record.time.subsec_nanos()).ok().map(|time| time.to_string())
}

/// A message as JSON. `None` when not all of it is there.
fn message(captured: &CapturedMessage, descriptor: &MessageDescriptor) -> Option<Value> {
    let (prefix, rest) = captured.bytes.split_at_checked(PREFIX_BYTES)?;
    let (is_compressed, length) = prefix.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    let bytes = rest.get(..usize::try_from(length).ok()?)?;
    let mut inflated = Vec::new();
    let bytes = if *is_compressed == 0 {
        bytes
    } else {
        GzDecoder::new(bytes).take(MESSAGE_BYTES_MAX).read_to_end(&mut inflated).ok()?;
        &inflated
    };
    let message = DynamicMessage::decode(descriptor.clone(), bytes).ok()?;
    serde_json::to_value(message).ok()
}

/// The token of a response.
fn revision(response: &Map<String, Value>) -> Option<&str> {
    response.values().find_map(|value| value.as_object()?.get("token")?.as_str())
}

/// The permissionship that a response states; of several, how often each.
fn verdict(response: &Map<String, Value>) -> Option<Value> {
    if let Some(permissionship) = response.get("permissionship") {
        return Some(permissionship.clone());
    }
    if let Some(facts) = response.get("dynamicMetadata") {
        return facts.get("verdict").cloned();
    }
    let items = response.get("pairs").or_else(|| response.get("permissions"))?.as_array()?;
    let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
    for item in items {
        let stated = item.get("item").and_then(|item| item.get("permissionship")?.as_str());
        *counts.entry(stated.unwrap_or("error")).or_default() += 1;
    }
    Some(json!(counts))
}
