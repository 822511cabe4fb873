//! Records as `CloudEvents`.

use super::answer::ResponseForm;
use super::message_json::{MessageJson, write_json};
use super::options::AuditSource;
use super::record::{CallRecord, CapturedMessage, PREFIX_BYTES};
use crate::proto::served_descriptors;
use crate::relationship::Timestamp;
use flate2::read::GzDecoder;
use std::borrow::Cow;
use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::time::Duration;

/// The most bytes of a message that came compressed.
const MESSAGE_BYTES_MAX: u64 = 256 << 10;
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

/// Writes events of records, one line for each.
pub(super) struct EventEncoder {
    /// What every line starts with, up to the count in its id.
    start: Vec<u8>,
    /// What follows the id, up to the time.
    source: Vec<u8>,
    /// Makes ids unlike those of other runs, together with the text before it.
    count: u64,
    second: FormattedSecond,
    messages: MessageJson,
    methods: HashMap<String, MethodForm>,
}

/// How the messages of a method are written.
struct MethodForm {
    /// The type of the request; `None` where requests are left out.
    request: Option<usize>,
    answer: ResponseForm,
}

/// The last second that was formatted: the next record is likely of the same one.
#[derive(Default)]
struct FormattedSecond {
    seconds: u64,
    /// Up to the fraction; `None` for a time that cannot be written.
    text: Option<String>,
}

impl EventEncoder {
    /// Events of a source.
    pub(super) fn new(AuditSource { source, run, .. }: AuditSource) -> Self {
        // The descriptors are part of the program; without them messages would be left out.
        let pool = served_descriptors().unwrap_or_default();
        let messages = MessageJson::new(&pool);
        let mut methods = HashMap::new();
        for service in pool.services() {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                let request = messages.index(&method.input()).filter(|_| path != WITH_CREDENTIALS);
                let answer = ResponseForm::new(method.output());
                methods.insert(path, MethodForm { request, answer });
            }
        }

        let (mut start, mut origin) = (b"{\"specversion\":\"1.0\",\"id\":".to_vec(), Vec::new());
        write_json(&mut start, &format!("{run}-"));
        // The count and the quote follow.
        start.pop();
        origin.extend_from_slice(b"\",\"source\":");
        write_json(&mut origin, &source);
        origin.extend_from_slice(b",\"type\":\"kilwa.call\",\"time\":");
        let second = FormattedSecond::default();
        Self { start, source: origin, count: 0, second, messages, methods }
    }

    /// Appends the line of a record, with its end.
    pub(super) fn write(&mut self, record: &CallRecord, out: &mut Vec<u8>) {
        self.count += 1;
        out.extend_from_slice(&self.start);
        write_json(out, &self.count);
        out.extend_from_slice(&self.source);
        self.second.write(record.time, out);
        let caller = record.caller.as_deref();
        member(out, b",\"subject\":", caller.unwrap_or("unknown"));
        out.extend_from_slice(b",\"datacontenttype\":\"application/json\",\"data\":{\"caller\":");
        write_json(out, &caller);
        self.write_call(record, out);
        out.extend_from_slice(b"}}\n");
    }

    /// The members of `data` after the caller.
    fn write_call(&self, record: &CallRecord, out: &mut Vec<u8>) {
        match record.peer {
            // Memory takes it.
            Some(peer) => drop(write!(out, ",\"peer\":\"{peer}\"")),
            None => out.extend_from_slice(b",\"peer\":null"),
        }
        member(out, b",\"method\":", &record.path);
        member(out, b",\"requestId\":", &record.request_id);
        if let Some(trace_id) = &record.trace_id {
            member(out, b",\"traceId\":", trace_id);
        }
        let code = usize::try_from(record.code).ok().and_then(|code| CODES.get(code));
        member(out, b",\"code\":", code.unwrap_or(&"UNKNOWN"));
        member(out, b",\"durationMs\":", &(record.duration.as_secs_f64() * 1e3));

        let method = self.methods.get(&record.path);
        out.extend_from_slice(b",\"request\":");
        let request = method.and_then(|method| {
            self.messages.write(method.request?, &message(&record.request)?, out)
        });
        if request.is_none() {
            // Of a request that is too large, or that was not read.
            out.extend_from_slice(b"null");
        }

        let Some((answer, response)) = method.and_then(|method| {
            message(&record.response).map(|response| (&method.answer, response))
        }) else {
            return;
        };
        if let Some(token) = answer.token(&response) {
            member(out, b",\"revision\":", token);
        }
        if let Some(verdict) = answer.verdict(&response) {
            member(out, b",\"verdict\":", &verdict);
        }
    }
}

impl FormattedSecond {
    /// Appends a time since the start of 1970; `null` for one that cannot be written.
    fn write(&mut self, time: Duration, out: &mut Vec<u8>) {
        if self.text.is_none() || self.seconds != time.as_secs() {
            self.seconds = time.as_secs();
            let seconds = i64::try_from(self.seconds).ok();
            let whole = seconds.and_then(|seconds| Timestamp::from_unix(seconds, 0).ok());
            self.text = whole.map(|whole| whole.to_string().trim_end_matches('Z').to_owned());
        }
        let Some(second) = &self.text else { return out.extend_from_slice(b"null") };
        // As much of the fraction as any other time has.
        let _ = match time.subsec_nanos() {
            0 => write!(out, "\"{second}Z\""),
            nanos if nanos % 1_000_000 == 0 => {
                write!(out, "\"{second}.{:03}Z\"", nanos / 1_000_000)
            }
            nanos if nanos % 1_000 == 0 => write!(out, "\"{second}.{:06}Z\"", nanos / 1_000),
            nanos => write!(out, "\"{second}.{nanos:09}Z\""),
        };
    }
}

/// Appends a member of an object that has some already. The key comes with its comma, quotes and colon.
fn member<T: serde::Serialize + ?Sized>(out: &mut Vec<u8>, key: &[u8], value: &T) {
    out.extend_from_slice(key);
    write_json(out, value);
}

/// The bytes of a message without their prefix, inflated. `None` when not all of it is there.
fn message(captured: &CapturedMessage) -> Option<Cow<'_, [u8]>> {
    let (prefix, rest) = captured.bytes.split_at_checked(PREFIX_BYTES)?;
    let (is_compressed, length) = prefix.split_first()?;
    let length = u32::from_be_bytes(length.try_into().ok()?);
    let bytes = rest.get(..usize::try_from(length).ok()?)?;
    if *is_compressed == 0 {
        return Some(Cow::Borrowed(bytes));
    }
    let mut inflated = Vec::new();
    GzDecoder::new(bytes).take(MESSAGE_BYTES_MAX).read_to_end(&mut inflated).ok()?;
    Some(Cow::Owned(inflated))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_reads_as_any_other_time() {
        let mut second = FormattedSecond::default();
        for (seconds, nanos) in [
            (0, 0),
            (0, 1),
            (1_764_426_840, 123_456_789),
            (1_764_426_840, 120_000_000),
            (1_764_426_841, 1_000),
            (1_764_426_841, 0),
        ] {
            let mut out = Vec::new();
            second.write(Duration::new(seconds, nanos), &mut out);
            let time = Timestamp::from_unix(seconds.try_into().unwrap(), nanos).unwrap();
            assert_eq!(String::from_utf8(out).unwrap(), format!("\"{time}\""));
        }
        for seconds in [253_402_300_800, u64::MAX] {
            let mut out = Vec::new();
            second.write(Duration::from_secs(seconds), &mut out);
            assert_eq!(out, b"null");
        }
    }
}
