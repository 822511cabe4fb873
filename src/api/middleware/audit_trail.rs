//! What the audit log records of a call: its first messages, and how it ended.

use super::observed_body::observed;
use crate::audit::{AuditSlot, CallRecord, CapturedMessage};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;
use tonic::body::Body;

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
    response: SharedCapture,
    code: i32,
}

type SharedCapture = Arc<Mutex<CapturedMessage>>;

impl AuditTrail {
    /// Starts the record of a call.
    pub(super) fn start(
        slot: AuditSlot,
        path: &str,
        request_id: &str,
        (caller, peer): (Option<Arc<str>>, Option<SocketAddr>),
        trace_id: Option<String>,
    ) -> Self {
        Self {
            time: slot.now(),
            slot: Some(slot),
            started: Instant::now(),
            path: path.to_owned(),
            request_id: request_id.to_owned(),
            caller,
            peer,
            trace_id,
            request: SharedCapture::default(),
            response: SharedCapture::default(),
            code: CANCELLED,
        }
    }

    /// The body of the request, whose first message is recorded.
    pub(super) fn request(&self, body: Body) -> Body {
        captured(body, &self.request)
    }

    /// The body of the response, likewise.
    pub(super) fn response(&self, body: Body) -> Body {
        captured(body, &self.response)
    }

    /// Notes the code with which the call ends.
    pub(super) fn end(&mut self, code: i32) {
        self.code = code;
    }
}

impl Drop for AuditTrail {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        let taken = |capture: &SharedCapture| {
            std::mem::take(&mut *capture.lock().unwrap_or_else(PoisonError::into_inner))
        };
        slot.record(CallRecord {
            time: self.time,
            duration: self.started.elapsed(),
            path: std::mem::take(&mut self.path),
            request_id: std::mem::take(&mut self.request_id),
            caller: self.caller.take(),
            peer: self.peer,
            trace_id: self.trace_id.take(),
            request: taken(&self.request),
            response: taken(&self.response),
            code: self.code,
        });
    }
}

/// A body whose first message is kept.
fn captured(body: Body, capture: &SharedCapture) -> Body {
    let capture = Arc::clone(capture);
    observed(body, move |data| {
        capture.lock().unwrap_or_else(PoisonError::into_inner).push(data);
    })
}
