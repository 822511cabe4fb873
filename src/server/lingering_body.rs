//! Bodies of requests over HTTP/2 that are received to their end.

use super::stream_body::StreamBody;
use crate::api::discard_rest;
use http_body::{Body, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::codegen::Bytes;

/// The body of a request. When it is dropped before its end, as a refusal does, the rest is received and dropped.
///
/// HTTP/2 would reset the stream instead; see [`discard_rest`].
#[derive(Debug)]
pub(super) struct LingeringBody {
    /// Taken when it is dropped.
    body: Option<StreamBody>,
    has_ended: bool,
}

impl LingeringBody {
    pub(super) fn new(body: StreamBody) -> Self {
        Self { body: Some(body), has_ended: false }
    }
}

impl Body for LingeringBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let Some(body) = &mut self.body else { return Poll::Ready(None) };
        let polled = Pin::new(body).poll_frame(context);
        if matches!(polled, Poll::Ready(None | Some(Err(_)))) {
            self.has_ended = true;
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.as_ref().is_none_or(Body::is_end_stream)
    }

    fn size_hint(&self) -> SizeHint {
        self.body.as_ref().map(Body::size_hint).unwrap_or_default()
    }
}

impl Drop for LingeringBody {
    fn drop(&mut self) {
        let rest = self.body.take().filter(|body| !self.has_ended && !body.is_end_stream());
        if let Some(rest) = rest {
            tokio::spawn(discard_rest(rest));
        }
    }
}
