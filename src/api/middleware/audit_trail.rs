//! What the audit log records of a call: its first messages, and how it ended.

use crate::audit::{AuditSlot, CallRecord, CapturedMessage};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;

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
        (caller, trace_id): (Option<Arc<str>>, Option<String>),
    ) -> Self {
        Self {
            time: slot.now(),
            slot: Some(slot),
            started: Instant::now(),
            path: path.to_owned(),
            request_id: request_id.to_owned(),
            caller,
            trace_id,
            request: SharedCapture::default(),
            response: SharedCapture::default(),
            code: CANCELLED,
        }
    }

    /// The body of the request, whose first message is recorded.
    pub(super) fn request(&self, body: Body) -> Body {
        Body::new(CapturedBody { body, capture: Arc::clone(&self.request) })
    }

    /// The body of the response, likewise.
    pub(super) fn response(&self, body: Body) -> Body {
        Body::new(CapturedBody { body, capture: Arc::clone(&self.response) })
    }

    /// Notes the code with which the call ends.
    pub(super) fn end(&mut self, code: i32) {
        self.code = code;
    }
}

impl Drop for AuditTrail {
    fn drop(&mut self) {
        let Some(slot) = self.slot.take() else { return };
        let captured = |capture: &SharedCapture| {
            std::mem::take(&mut *capture.lock().unwrap_or_else(PoisonError::into_inner))
        };
        slot.record(CallRecord {
            time: self.time,
            duration: self.started.elapsed(),
            path: std::mem::take(&mut self.path),
            request_id: std::mem::take(&mut self.request_id),
            caller: self.caller.take(),
            trace_id: self.trace_id.take(),
            request: captured(&self.request),
            response: captured(&self.response),
            code: self.code,
        });
    }
}

/// A body whose first message is kept.
struct CapturedBody {
    body: Body,
    capture: SharedCapture,
}

impl HttpBody for CapturedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if let Poll::Ready(Some(Ok(frame))) = &polled
            && let Some(data) = frame.data_ref()
        {
            self.capture.lock().unwrap_or_else(PoisonError::into_inner).push(data);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
