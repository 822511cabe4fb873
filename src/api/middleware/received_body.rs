//! Bodies of requests that have been received whole, before anything reads them.

use crate::api::middleware::compression::PREFIX_BYTES;
use http_body::{Body as HttpBody, Frame};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;

/// A body with all its frames, which gives them once more.
pub(crate) struct ReceivedBody {
    frames: VecDeque<Result<Frame<Bytes>, Status>>,
}

impl ReceivedBody {
    /// Receives a body to its end, or to what ends it early.
    pub(crate) async fn receive(mut body: Body) -> Self {
        let mut frames = VecDeque::new();
        while let Some(frame) = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await {
            let is_last = frame.is_err();
            frames.push_back(frame);
            if is_last {
                break;
            }
        }
        Self { frames }
    }

    /// Its only message, if it was received whole and is not compressed.
    pub(crate) fn message(&self) -> Option<Bytes> {
        let data = |frame: &'_ Result<Frame<Bytes>, Status>| {
            frame.as_ref().ok().and_then(Frame::data_ref).cloned()
        };
        let parts: Vec<Bytes> = self.frames.iter().map(data).collect::<Option<_>>()?;
        let whole = match parts.as_slice() {
            [whole] => whole.clone(),
            parts => parts.concat().into(),
        };
        let (prefix, message) = whole.split_first_chunk::<PREFIX_BYTES>()?;
        let [flag, length @ ..] = *prefix;
        let is_whole = usize::try_from(u32::from_be_bytes(length)) == Ok(message.len());
        (flag == 0 && is_whole).then(|| whole.slice(PREFIX_BYTES..))
    }
}

impl HttpBody for ReceivedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        Poll::Ready(self.frames.pop_front())
    }
}
