//! Answers of the listener for metrics.

use http_body::{Body as HttpBody, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::header::{CONTENT_TYPE, HeaderValue};
use tonic::codegen::http::{Response, StatusCode};

/// An answer of plain text.
pub(super) fn plain(code: StatusCode, text: &str) -> Response<Body> {
    response(code, "text/plain; charset=utf-8", text.to_owned())
}

/// An answer of some media type.
pub(super) fn response(
    code: StatusCode,
    media_type: &'static str,
    content: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Body::new(WholeBody(Some(content.into()))));
    *response.status_mut() = code;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

/// A body that is there as a whole.
struct WholeBody(Option<Bytes>);

impl HttpBody for WholeBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        Poll::Ready(self.0.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    /// Says the length, so that the answer has one.
    fn size_hint(&self) -> SizeHint {
        let bytes = self.0.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(bytes).unwrap_or(u64::MAX))
    }
}
