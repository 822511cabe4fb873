//! Bodies of requests over HTTP/2, whose end is distinguished from their being broken off.

use crate::api;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tonic::Status;
use tonic::codegen::Bytes;

/// The body of a request. Whatever ends it before its client has done so is an error that says that the client broke it off.
#[derive(Debug)]
pub(super) struct StreamBody(Incoming);

impl StreamBody {
    pub(super) fn new(body: Incoming) -> Self {
        Self(body)
    }
}

impl Body for StreamBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(match ready!(Pin::new(&mut self.0).poll_frame(context)) {
            Some(Ok(frame)) => Some(Ok(frame)),
            Some(Err(error)) => Some(Err(api::broken_off(error))),
            None if self.0.is_end_stream() => None,
            // Of a stream that is reset without an error, hyper makes the end: an import would be committed without its rest.
            None => Some(Err(api::broken_off("its stream was reset"))),
        })
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.size_hint()
    }
}
