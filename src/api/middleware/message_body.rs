//! Responses with one message that is encoded already.

use crate::api::middleware::call_ending::OK;
use http_body::{Body as HttpBody, Frame};
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::codegen::Bytes;
use tonic::codegen::http::Response;
use tonic::codegen::http::header::{CONTENT_TYPE, HeaderMap, HeaderValue};
use tonic::metadata::GRPC_CONTENT_TYPE;

/// How many trailers a call has, of which none is left out.
const TRAILERS_USUAL: usize = 6;

/// The response with a message, which has its prefix.
pub(crate) fn response(message: Bytes) -> Response<MessageBody> {
    let mut response = Response::new(MessageBody { message: Some(message) });
    response.headers_mut().insert(CONTENT_TYPE, GRPC_CONTENT_TYPE);
    response
}

/// One message, which is there, and then the trailers of a call that was answered.
#[derive(Default)]
pub(crate) struct MessageBody {
    message: Option<Bytes>,
}

impl HttpBody for MessageBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        let frame = self.message.take().map_or_else(
            || {
                let mut trailers = HeaderMap::with_capacity(TRAILERS_USUAL);
                trailers.insert(Status::GRPC_STATUS, HeaderValue::from_static(OK));
                Frame::trailers(trailers)
            },
            Frame::data,
        );
        Poll::Ready(Some(Ok(frame)))
    }
}
