//! Records of calls, as they wait in the queue.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The most bytes of a message that are kept. A write of a thousand relationships takes about that much.
const MESSAGE_BYTES_MAX: usize = 64 << 10;
/// The length of what precedes a message: whether it is compressed, and its length.
pub(super) const PREFIX_BYTES: usize = 5;

/// What is recorded of a call.
#[derive(Debug)]
pub struct CallRecord {
    /// When it began, since the start of 1970.
    pub time: Duration,
    /// How long it took.
    pub duration: Duration,
    /// The path of its method.
    pub path: String,
    /// Its request id, which the client may have chosen.
    pub request_id: String,
    /// The name of its caller; `None` for one that was not let in.
    pub caller: Option<Arc<str>>,
    /// The address from which it came; `None` when it came from within the process.
    pub peer: Option<SocketAddr>,
    /// The id of its trace, if it has one.
    pub trace_id: Option<String>,
    /// The first message of the request, as it came: with the prefix of gRPC.
    pub request: CapturedMessage,
    /// The first message of the response, as it went.
    pub response: CapturedMessage,
    /// The gRPC code with which it ended.
    pub code: i32,
}

/// The first message of a stream of bytes with its prefix, up to a bound.
#[derive(Debug, Default)]
pub struct CapturedMessage {
    pub(super) bytes: Vec<u8>,
}

impl CapturedMessage {
    /// Keeps some more bytes of the stream, as long as there is room and the message is not whole.
    pub fn push(&mut self, bytes: &[u8]) {
        let missing = self.kept_bytes(bytes).saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..missing.min(bytes.len())).unwrap_or_default());
    }

    /// How many bytes are kept in all, as far as these and those before them tell.
    fn kept_bytes(&self, next: &[u8]) -> usize {
        let mut prefix = self.bytes.iter().chain(next).copied().skip(1);
        let length = [(); PREFIX_BYTES - 1].map(|()| prefix.next());
        let [Some(a), Some(b), Some(c), Some(d)] = length else { return MESSAGE_BYTES_MAX };
        let length = usize::try_from(u32::from_be_bytes([a, b, c, d])).unwrap_or(usize::MAX);
        length.saturating_add(PREFIX_BYTES).min(MESSAGE_BYTES_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_message_is_kept_and_no_more() {
        let stream = [&[0, 0, 0, 0, 3][..], b"abc", &[0, 0, 0, 0, 1], b"d"].concat();
        for size in 1..=stream.len() {
            let mut captured = CapturedMessage::default();
            stream.chunks(size).for_each(|bytes| captured.push(bytes));
            assert_eq!(captured.bytes, stream[..8], "{size}");
        }

        let mut captured = CapturedMessage::default();
        for _ in 0..100 {
            captured.push(&[255; 1_000]);
        }
        assert_eq!(captured.bytes.len(), MESSAGE_BYTES_MAX);
    }
}
