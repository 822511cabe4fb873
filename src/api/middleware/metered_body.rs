//! Bodies of responses, which end with the trailers of the middleware.

use crate::api::fault::caught;
use crate::api::middleware::call_ending::CallEnding;
use crate::api::middleware::deadline::Deadline;
use crate::api::middleware::debug_trailer::DebugTrailer;
use crate::api::middleware::fast_path::EncodedAnswer;
use crate::api::middleware::intake::{self, RequestMemory};
use crate::api::middleware::message_body;
use crate::api::middleware::operations::Operations;
use crate::api::status;
use http_body::{Body as HttpBody, Frame};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::Response;
use tonic::codegen::http::header::HeaderMap;

/// Adds the trailers, or puts them into the headers of a response that consists of nothing else.
pub(super) fn finish(
    mut response: Response<Body>,
    mut ending: CallEnding,
    deadline: Option<Deadline>,
    call: Option<Arc<RequestMemory>>,
) -> Response<Body> {
    if response.headers().contains_key(Status::GRPC_STATUS) {
        ending.complete(response.headers_mut());
        return response;
    }
    if let Some(operations) = response.extensions_mut().remove::<Operations>() {
        ending.note_work(operations);
    }
    if let Some(DebugTrailer(trace)) = response.extensions_mut().remove() {
        ending.add_trace(trace);
    }
    response.map(|body| Body::new(MeteredBody { body, ending, deadline, call, ended: false }))
}

/// The response to a call with one message and its cost.
pub(super) fn finish_message(
    answer: EncodedAnswer,
    mut ending: CallEnding,
    call: Arc<RequestMemory>,
) -> Response<Body> {
    ending.note_work(answer.work);
    let call = Some(call);
    let deadline = None;
    message_body::response(answer.message)
        .map(|body| Body::new(MeteredBody { body, ending, deadline, call, ended: false }))
}

/// A body that ends with the trailers of the middleware, and ends early when the deadline passes.
struct MeteredBody<B> {
    body: B,
    ending: CallEnding,
    deadline: Option<Deadline>,
    /// What was kept in memory for the request is given back with the end of its answer.
    call: Option<Arc<RequestMemory>>,
    ended: bool,
}

impl<B: Default> MeteredBody<B> {
    fn end(&mut self, mut trailers: HeaderMap) -> Frame<Bytes> {
        self.ended = true;
        self.ending.complete(&mut trailers);
        Frame::trailers(trailers)
    }

    /// Ends the response with an error. Dropping the body interrupts the work for it.
    fn end_early(&mut self, status: &Status) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        self.body = B::default();
        let mut trailers = HeaderMap::new();
        let added = status.add_header(&mut trailers);
        Poll::Ready(Some(added.map(|()| self.end(trailers))))
    }
}

impl<B> HttpBody for MeteredBody<B>
where
    B: HttpBody<Data = Bytes, Error = Status> + Default + Unpin,
{
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let answers_much = self.call.as_ref().is_some_and(|call| call.answers_much());
        let mut body = Pin::new(&mut self.body);
        let polled = caught(|| {
            if answers_much {
                intake::aside(|| body.as_mut().poll_frame(context))
            } else {
                body.as_mut().poll_frame(context)
            }
        });
        let polled = match polled {
            Ok(polled) => polled,
            Err(fault) => return self.end_early(&fault),
        };

        match polled {
            Poll::Ready(Some(Ok(frame))) => match frame.into_trailers() {
                Ok(trailers) => Poll::Ready(Some(Ok(self.end(trailers)))),
                Err(frame) => match self.ending.require_current() {
                    Ok(()) => {
                        if let Some(data) = frame.data_ref() {
                            self.ending.note_response(data);
                        }
                        Poll::Ready(Some(Ok(frame)))
                    }
                    Err(revocation) => self.end_early(&status::access_revoked(revocation)),
                },
            },
            Poll::Ready(other) => Poll::Ready(other),
            Poll::Pending => {
                let deadline = self.deadline.as_mut();
                if deadline.is_none_or(|deadline| deadline.poll(context).is_pending()) {
                    return Poll::Pending;
                }
                self.end_early(&status::deadline_passed())
            }
        }
    }
}
