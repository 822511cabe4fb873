//! What the audit log records of a call: its first messages, and how it ended.

use crate::audit::{AuditSlot, CallRecord, CapturedMessage};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// The code of a call whose client went away.
const CANCELLED: i32 = 1;

/// The record of a call in progress. It is given to the log when the call ends, however it ends.
pub(super) struct AuditTrail {
    slot: Option<AuditSlot>,
    time: Duration,
    started: Instant,
    path: String,
    request_id: String,
    caller: Option<Arc<str>>,
    peer: Option<SocketAddr>,
    trace_id: Option<String>,
    request: SharedCapture,
    response: CapturedMessage,
    code: i32,
    /// How long the call took; unknown until it has ended.
    duration: Option<Duration>,
}

/// What is kept of a request, which its body fills.
#[derive(Clone, Debug, Default)]
pub(super) struct SharedCapture(Arc<Mutex<CapturedMessage>>);

impl SharedCapture {
    /// Keeps what belongs to the first message.
    pub(super) fn push(&self, bytes: &[u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(bytes);
    }

    fn take(&self) -> CapturedMessage {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl AuditTrail {
    /// Starts the record of a call that arrived then.
    pub(super) fn start(
        slot: AuditSlot,
        started: Instant,
        (path, request_id): (&str, &str),
        (caller, peer): (Option<Arc<str>>, Option<SocketAddr>),
        trace_id: Option<String>,
    ) -> Self {
        Self {
            time: slot.now(),
            slot: Some(slot),
            started,
            path: path.to_owned(),
            request_id: request_id.to_owned(),
            caller,
            peer,
            trace_id,
            request: SharedCapture::default(),
            response: CapturedMessage::default(),
            code: CANCELLED,
            duration: None,
        }
    }

    /// Where the body of the request puts its first message.
    pub(super) fn request(&self) -> SharedCapture {
        self.request.clone()
    }

    /// Notes some bytes of the response, whose first message is recorded.
    pub(super) fn note_response(&mut self, bytes: &[u8]) {
        self.response.push(bytes);
    }

    /// Notes the code with which the call ends, and how long it took.
    pub(super) fn end(&mut self, code: i32, duration: Duration) {
        self.code = code;
        self.duration = Some(duration);
    }
}

impl Drop for AuditTrail {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        slot.record(CallRecord {
            time: self.time,
            duration: self.duration.unwrap_or_else(|| self.started.elapsed()),
            path: std::mem::take(&mut self.path),
            request_id: std::mem::take(&mut self.request_id),
            caller: self.caller.take(),
            peer: self.peer,
            trace_id: self.trace_id.take(),
            request: self.request.take(),
            response: std::mem::take(&mut self.response),
            code: self.code,
        });
    }
}
