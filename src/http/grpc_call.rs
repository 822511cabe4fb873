//! A gRPC call inside the process: requests in, messages and trailers out.

use super::failure::Failure;
use super::headers::REQUEST_ID;
use crate::api::Admission;
use http_body::{Body as _, Frame};
use std::fmt;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::sync::oneshot;
use tokio::time::Instant;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::{
    AUTHORIZATION, CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, TE,
};
use tonic::codegen::http::{Extensions, Method, Request, Uri};
use tonic::codegen::{Bytes, Service as _};
use tonic::service::Routes;

/// How long the client waits.
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");
/// Headers of the HTTP request that are metadata of the call as they are.
const PASSED: [HeaderName; 5] = [
    AUTHORIZATION,
    REQUEST_ID,
    TIMEOUT,
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
];
/// A header with this prefix is metadata under the rest of its name.
const METADATA_PREFIX: &str = "grpc-metadata-";
/// The byte that says whether a message is compressed, and four of its length.
const FRAME_HEADER_BYTES: usize = 5;

/// What a call takes from the HTTP request beside its messages.
#[derive(Debug)]
pub(super) struct CallHeaders {
    metadata: HeaderMap,
    extensions: Extensions,
    admitted: Arc<AtomicBool>,
}

impl CallHeaders {
    /// The metadata among the headers of a request.
    pub(super) fn new(headers: &HeaderMap, mut extensions: Extensions) -> Self {
        let mut metadata = HeaderMap::new();
        for (name, value) in headers {
            if PASSED.contains(name) {
                metadata.append(name, value.clone());
            } else if let Some(inner) = name.as_str().strip_prefix(METADATA_PREFIX)
                && let Ok(inner) = HeaderName::try_from(inner)
                && is_metadata(&inner)
                && (inner == AUTHORIZATION || !headers.contains_key(&inner))
            {
                // A second key is passed on too, so that two different ones are refused as over gRPC.
                metadata.append(inner, value.clone());
            }
        }

        let admitted = Arc::new(AtomicBool::new(false));
        let noted = Arc::clone(&admitted);
        let note = move || noted.store(true, Ordering::Release);
        let admission: Option<&Admission> = extensions.get();
        let admission = match admission {
            Some(admission) => admission.and_then(note),
            None => Admission::new(note),
        };
        extensions.insert(admission);
        Self { metadata, extensions, admitted }
    }

    /// Whether the caller has been let in, once the call has started.
    pub(super) fn admitted(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.admitted)
    }

    /// Adds something for the service alone.
    pub(super) fn extend<E: Clone + Send + Sync + 'static>(&mut self, extension: E) {
        self.extensions.insert(extension);
    }

    /// When the client no longer waits for the answer to a request that it has just sent, if it says so.
    pub(super) fn deadline(&self) -> Option<Instant> {
        let value = self.metadata.get(TIMEOUT)?.to_str().ok()?;
        let (amount, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
        let amount: u32 = amount.parse().ok()?;
        let one = match unit {
            "H" => Duration::from_hours(1),
            "M" => Duration::from_mins(1),
            "S" => Duration::from_secs(1),
            "m" => Duration::from_millis(1),
            "u" => Duration::from_micros(1),
            "n" => Duration::from_nanos(1),
            _ => return None,
        };
        Instant::now().checked_add(one.saturating_mul(amount))
    }

    /// The id that the client gave its request.
    pub(super) fn request_id(&self) -> Option<HeaderValue> {
        self.metadata.get(REQUEST_ID).cloned()
    }
}

/// Names that belong to the protocol are no metadata.
fn is_metadata(name: &HeaderName) -> bool {
    ![CONTENT_TYPE, TE].contains(name)
        && !name.as_str().starts_with("grpc-")
        && !name.as_str().ends_with("-bin")
}

/// Calls a method with the messages of a body.
pub(super) async fn send(
    mut services: Routes,
    path: &str,
    headers: CallHeaders,
    messages: axum::body::Body,
) -> MessageStream {
    let mut request = Request::new(Body::new(messages));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::try_from(path).unwrap_or_default();
    *request.headers_mut() = headers.metadata;
    *request.extensions_mut() = headers.extensions;
    request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    request.headers_mut().insert(TE, HeaderValue::from_static("trailers"));

    let Ok(response) = services.call(request).await;
    let (parts, body) = response.into_parts();
    let status = Status::from_header_map(&parts.headers);
    let request_id = parts.headers.get(REQUEST_ID).cloned();
    let metadata = response_metadata(&parts.headers);
    MessageStream { body, buffer: Vec::new(), status, request_id, metadata, is_ended: false }
}

/// The metadata of a response that came before its messages, as headers of an HTTP response.
fn response_metadata(headers: &HeaderMap) -> HeaderMap {
    let own = headers.iter().filter(|(name, _)| is_metadata(name) && *name != REQUEST_ID);
    let named = own.filter_map(|(name, value)| {
        let name = HeaderName::try_from(format!("{METADATA_PREFIX}{name}")).ok()?;
        Some((name, value.clone()))
    });
    named.collect()
}

/// A message as it stands in the body of a call.
pub(super) fn frame(message: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(message.len() + FRAME_HEADER_BYTES);
    append_frame(&mut frame, message);
    frame
}

/// Appends a message to the body of a call.
pub(super) fn append_frame(frames: &mut Vec<u8>, message: &[u8]) {
    // The body of a request is bounded far below.
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    frames.push(0);
    frames.extend_from_slice(&length.to_be_bytes());
    frames.extend_from_slice(message);
}

/// What gives the frames of a call.
type FramesFuture = Pin<Box<dyn Future<Output = Result<Vec<u8>, Failure>> + Send>>;

/// The body of a call that starts before its messages are known. A refused caller's request is received as well, so nothing is read
/// for it here: neither its length nor its JSON costs anything before the key is known.
pub(super) struct PendingMessages {
    admitted: Arc<AtomicBool>,
    messages: Option<FramesFuture>,
    failed: Option<oneshot::Sender<Failure>>,
}

impl PendingMessages {
    /// A body of the frames that a future gives. When it fails, the call ends with its status, and the failure can be received.
    pub(super) fn new(
        admitted: Arc<AtomicBool>,
        messages: impl Future<Output = Result<Vec<u8>, Failure>> + Send + 'static,
    ) -> (Self, oneshot::Receiver<Failure>) {
        let (failed, failure) = oneshot::channel();
        (Self { admitted, messages: Some(Box::pin(messages)), failed: Some(failed) }, failure)
    }
}

impl fmt::Debug for PendingMessages {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PendingMessages").finish_non_exhaustive()
    }
}

impl http_body::Body for PendingMessages {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if !self.admitted.load(Ordering::Acquire) {
            return Poll::Ready(None);
        }
        let Some(messages) = &mut self.messages else { return Poll::Ready(None) };
        let read = ready!(messages.as_mut().poll(context));
        self.messages = None;
        Poll::Ready(Some(match read {
            Ok(frames) => Ok(Frame::data(Bytes::from(frames))),
            Err(failure) => {
                let status = failure.status().clone();
                if let Some(failed) = self.failed.take() {
                    // No one waits for it when the request itself was given up.
                    let _ = failed.send(failure);
                }
                // CANCELLED too, of which the middleware makes another one for those who read the messages.
                Err(status)
            }
        }))
    }
}

/// The messages of a response.
#[derive(Debug)]
pub(super) struct MessageStream {
    body: Body,
    buffer: Vec<u8>,
    /// From the headers of a response without messages, or from the trailers.
    status: Option<Status>,
    request_id: Option<HeaderValue>,
    /// As headers of an HTTP response.
    metadata: HeaderMap,
    is_ended: bool,
}

impl MessageStream {
    /// The next message, as bytes. Ends with `None`, or with the failure of the call.
    pub(super) fn poll_next(
        &mut self,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Vec<u8>, Failure>>> {
        loop {
            if let Some(message) = self.take_message() {
                return Poll::Ready(Some(Ok(message)));
            }
            if self.is_ended || self.status.is_some() {
                return Poll::Ready(self.take_failure().map(Err));
            }
            match ready!(Pin::new(&mut self.body).poll_frame(context)) {
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => self.buffer.extend_from_slice(&data),
                    Err(frame) => {
                        if let Ok(trailers) = frame.into_trailers() {
                            self.read_trailers(&trailers);
                        }
                    }
                },
                Some(Err(status)) => self.status = Some(status),
                None => {
                    self.is_ended = true;
                    if !self.buffer.is_empty() {
                        return Poll::Ready(Some(Err(Failure::no_answer())));
                    }
                }
            }
        }
    }

    /// The next message. Ends with `None`, or with the failure of the call.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        poll_fn(|context| self.poll_next(context)).await.transpose()
    }

    /// The id of the call, once its headers or trailers have come.
    pub(super) fn request_id(&self) -> Option<HeaderValue> {
        self.request_id.clone()
    }

    /// The metadata that came before the messages, as headers of an HTTP response.
    pub(super) fn metadata(&self) -> &HeaderMap {
        &self.metadata
    }

    fn read_trailers(&mut self, trailers: &HeaderMap) {
        self.status = Status::from_header_map(trailers);
        if let Some(id) = trailers.get(REQUEST_ID) {
            self.request_id = Some(id.clone());
        }
    }

    fn take_failure(&mut self) -> Option<Failure> {
        self.is_ended = true;
        let status = self.status.take()?;
        (status.code() != tonic::Code::Ok)
            .then(|| Failure::from_status(status, self.request_id.clone()))
    }

    fn take_message(&mut self) -> Option<Vec<u8>> {
        let (header, rest) = self.buffer.split_at_checked(FRAME_HEADER_BYTES)?;
        let [_, length @ ..] = *<&[u8; FRAME_HEADER_BYTES]>::try_from(header).ok()?;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        if rest.len() < length {
            return None;
        }
        let mut message = self.buffer.drain(..FRAME_HEADER_BYTES + length);
        message.nth(FRAME_HEADER_BYTES - 1)?;
        Some(message.collect())
    }
}
