//! A body whose bytes are seen on their way.

use http_body::{Body as HttpBody, Frame, SizeHint};
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;

/// A body that passes its bytes to `observe` as they come.
pub(super) fn observed(body: Body, observe: impl FnMut(&Bytes) + Send + Unpin + 'static) -> Body {
    Body::new(ObservedBody { body, observe })
}

struct ObservedBody<F> {
    body: Body,
    observe: F,
}

impl<F: FnMut(&Bytes) + Unpin> HttpBody for ObservedBody<F> {
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
            (self.observe)(data);
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
