//! Compression of responses: gzip for the messages that pay for it, and for calls that came compressed.
//!
//! tonic compresses every message of every client that can read gzip, which makes a small answer five times as
//! expensive and larger than it was. So it compresses nothing here: [`compress`] works on the finished body, in which
//! each message has a flag that says whether it is compressed.

use crate::api::status;
use flate2::Compression;
use flate2::write::GzEncoder;
use http_body::{Body as HttpBody, Frame};
use prost::bytes::BufMut as _;
use std::future::{Future, poll_fn};
use std::io::Write as _;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::Response;
use tonic::codegen::http::header::{HeaderMap, HeaderName, HeaderValue};

/// Names the compression of the messages of a request or a response.
pub(crate) const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
const ACCEPT_ENCODING: HeaderName = HeaderName::from_static("grpc-accept-encoding");
const GZIP: &str = "gzip";

/// From this size on, in bytes, a message is compressed for a client that can read it. Below it a link of 1 Gbit/s sends
/// the message in less time than compressing it takes.
const LARGE_MESSAGE_BYTES: usize = 8 << 10;

/// From this size on, in bytes, messages are compressed on a thread of their own: it takes about 5 ms for each MiB.
const OFFLOAD_BYTES: usize = 128 << 10;

/// The length of what precedes each message: a flag that says whether it is compressed, and its length.
pub(crate) const PREFIX_BYTES: usize = 5;

/// Which messages of a response are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// None, because the client cannot read gzip.
    Never,
    /// Those of [`LARGE_MESSAGE_BYTES`] and more, because the client merely can read gzip.
    Large,
    /// All, because the call came compressed.
    Always,
}

impl Policy {
    /// The policy for the answer to a request with these headers.
    pub(crate) fn from_headers(request: &HeaderMap) -> Self {
        let Some(accepted) = request.get(ACCEPT_ENCODING).and_then(|value| value.to_str().ok())
        else {
            return Self::Never;
        };
        if !accepted.split(',').any(|name| name.trim() == GZIP) {
            return Self::Never;
        }

        let arrived_compressed =
            request.get(GRPC_ENCODING).is_some_and(|encoding| encoding == GZIP);
        if arrived_compressed { Self::Always } else { Self::Large }
    }

    fn covers(self, message: &[u8]) -> bool {
        match self {
            Self::Never => false,
            Self::Large => message.len() >= LARGE_MESSAGE_BYTES,
            Self::Always => !message.is_empty(),
        }
    }
}

/// Compresses the messages of a response that the policy covers, and names the encoding in the headers if there may be any.
///
/// Under [`Policy::Large`] a first message that is there already and small decides for the whole response: it is the only
/// one, or the others are of its kind.
pub(crate) async fn compress(policy: Policy, mut response: Response<Body>) -> Response<Body> {
    if policy == Policy::Never || response.headers().contains_key(Status::GRPC_STATUS) {
        return response;
    }

    let body = response.body_mut();
    let first = poll_fn(|context| Poll::Ready(Pin::new(&mut *body).poll_frame(context))).await;
    let (first, compresses) = match first {
        Poll::Ready(Some(Ok(frame))) => {
            let covered = |data: &Bytes| Messages(data).any(|message| policy.covers(message));
            let compresses = frame.data_ref().is_some_and(covered);
            (Some(Ok(frame)), compresses)
        }
        Poll::Ready(Some(Err(status))) => (Some(Err(status)), false),
        Poll::Ready(None) => (None, false),
        Poll::Pending => (None, true),
    };

    let policy = if compresses { policy } else { Policy::Never };
    if compresses {
        response.headers_mut().insert(GRPC_ENCODING, HeaderValue::from_static(GZIP));
    }
    response.map(|body| Body::new(Compressed { policy, first, body, task: None }))
}

/// A body whose messages are compressed as its policy says.
struct Compressed {
    policy: Policy,
    /// The first frame, if it was taken from the body already.
    first: Option<Result<Frame<Bytes>, Status>>,
    body: Body,
    /// Compresses the frame that comes next.
    task: Option<JoinHandle<Bytes>>,
}

impl HttpBody for Compressed {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.task.is_none() {
            let frame = match self.first.take() {
                Some(frame) => Poll::Ready(Some(frame)),
                None => Pin::new(&mut self.body).poll_frame(context),
            };
            let Poll::Ready(Some(Ok(frame))) = frame else { return frame };
            let data = match frame.into_data() {
                Ok(data) if self.policy != Policy::Never => data,
                Ok(data) => return Poll::Ready(Some(Ok(Frame::data(data)))),
                Err(trailers) => return Poll::Ready(Some(Ok(trailers))),
            };
            let policy = self.policy;
            if data.len() < OFFLOAD_BYTES {
                return Poll::Ready(Some(Ok(Frame::data(compress_chunk(policy, &data)))));
            }
            self.task = Some(tokio::task::spawn_blocking(move || compress_chunk(policy, &data)));
        }

        let Some(task) = self.task.as_mut() else { return Poll::Pending };
        let Poll::Ready(compressed) = Pin::new(task).poll(context) else { return Poll::Pending };
        self.task = None;
        let failed = |_| {
            status::server_fault("the response was not compressed because of a fault in the server")
        };
        Poll::Ready(Some(compressed.map(Frame::data).map_err(failed)))
    }
}

/// The messages of a chunk, without their prefixes. Chunks hold whole messages: tonic's encoder never splits one.
struct Messages<'c>(&'c [u8]);

impl<'c> Iterator for Messages<'c> {
    type Item = &'c [u8];

    fn next(&mut self) -> Option<&'c [u8]> {
        let (prefix, rest) = self.0.split_first_chunk::<PREFIX_BYTES>()?;
        let [_, length @ ..] = *prefix;
        let length = usize::try_from(u32::from_be_bytes(length)).ok()?;
        let (message, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(message)
    }
}

/// The same messages, compressed where the policy says so.
fn compress_chunk(policy: Policy, chunk: &Bytes) -> Bytes {
    if !Messages(chunk).any(|message| policy.covers(message)) {
        return chunk.clone();
    }

    let mut compressed = Vec::with_capacity(chunk.len() / 2);
    let mut messages = Messages(chunk);
    for message in messages.by_ref() {
        if !policy.covers(message) || !put_gzip(&mut compressed, message) {
            put(&mut compressed, 0, message);
        }
    }
    debug_assert!(messages.0.is_empty(), "a chunk holds whole messages");
    compressed.into()
}

/// Adds a message, compressed. False when it cannot be, and then nothing is added.
fn put_gzip(chunk: &mut Vec<u8>, message: &[u8]) -> bool {
    let gzip = || {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(message)?;
        encoder.finish()
    };
    gzip().is_ok_and(|gzip| put(chunk, 1, &gzip))
}

/// Adds a message after its prefix. False if it is too long for one.
pub(crate) fn put(chunk: &mut Vec<u8>, is_compressed: u8, message: &[u8]) -> bool {
    let Ok(length) = u32::try_from(message.len()) else { return false };
    chunk.put_u8(is_compressed);
    chunk.put_u32(length);
    chunk.put_slice(message);
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy(headers: &[(&'static str, &'static str)]) -> Policy {
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)));
        Policy::from_headers(&headers.collect())
    }

    #[test]
    fn the_policy_follows_what_the_client_reads_and_what_it_sent() {
        let accepts = ("grpc-accept-encoding", "identity,deflate, gzip");
        assert_eq!(policy(&[]), Policy::Never);
        assert_eq!(policy(&[("grpc-encoding", "gzip")]), Policy::Never);
        assert_eq!(policy(&[("grpc-accept-encoding", "identity,xgzip")]), Policy::Never);
        assert_eq!(policy(&[accepts]), Policy::Large);
        assert_eq!(policy(&[accepts, ("grpc-encoding", "identity")]), Policy::Large);
        assert_eq!(policy(&[accepts, ("grpc-encoding", "gzip")]), Policy::Always);
    }

    #[test]
    fn only_covered_messages_of_a_chunk_are_compressed() {
        let large = vec![b'x'; LARGE_MESSAGE_BYTES];
        let mut chunk = Vec::new();
        for message in [b"small".as_slice(), &large, b""] {
            put(&mut chunk, 0, message);
        }
        let chunk = Bytes::from(chunk);

        let flags = |policy| {
            let compressed = compress_chunk(policy, &chunk);
            let mut messages = Messages(&compressed);
            let mut flags = Vec::new();
            while let Some(flag) = messages.0.first().copied() {
                messages.next().unwrap();
                flags.push(flag);
            }
            flags
        };
        assert_eq!(flags(Policy::Never), [0, 0, 0]);
        assert_eq!(flags(Policy::Large), [0, 1, 0]);
        assert_eq!(flags(Policy::Always), [1, 1, 0]);
    }
}
