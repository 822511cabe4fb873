//! A stream of messages as lines of JSON.

use crate::http::failure::Failure;
use crate::http::grpc_call::MessageStream;
use crate::http::json_output;
use http_body::{Body, Frame};
use prost_reflect::MessageDescriptor;
use serde_json::json;
use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use tonic::codegen::Bytes;

/// The body of a response with one line for each message. Dropping it cancels the call.
#[derive(Debug)]
pub(super) struct LineStream {
    message_type: MessageDescriptor,
    first: Option<Vec<u8>>,
    rest: MessageStream,
}

impl LineStream {
    /// The lines of a message and those after it.
    pub(super) fn new(
        message_type: MessageDescriptor,
        first: Vec<u8>,
        rest: MessageStream,
    ) -> Self {
        Self { message_type, first: Some(first), rest }
    }
}

impl Body for LineStream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let next = match self.first.take() {
            Some(first) => Some(Ok(first)),
            None => ready!(self.rest.poll_next(context)),
        };
        let Some(next) = next else { return Poll::Ready(None) };
        let line = next.and_then(|message| {
            json_output::object(self.message_type.clone(), &message).ok_or_else(Failure::no_answer)
        });
        let line = match line {
            Ok(value) => json!({"result": value}),
            Err(failure) => failure.in_stream().value(),
        };
        Poll::Ready(Some(Ok(Frame::data(Bytes::from(format!("{line}\n"))))))
    }
}
