//! Records of calls, as they wait in the queue.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// The most bytes of a message that are kept. A write of a thousand relationships takes about that much.
const MESSAGE_BYTES_MAX: usize = 64 << 10;

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
    /// Keeps some more bytes of the stream, as long as there is room.
    pub fn push(&mut self, bytes: &[u8]) {
        let room = MESSAGE_BYTES_MAX.saturating_sub(self.bytes.len());
        self.bytes.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
    }
}
