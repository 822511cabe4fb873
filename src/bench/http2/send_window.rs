//! Flow control of what is sent: bodies wait here until the server has room for them.

use super::frames::{DATA, END_STREAM, FrameHead, write_frame_header};
use std::collections::BTreeMap;

/// What is left of the body of a request.
struct WaitingBody {
    bytes: Vec<u8>,
    sent: usize,
    /// What the server takes of this stream.
    window: i64,
    /// Whether nothing will be added.
    is_complete: bool,
}

/// The windows of a connection and of the streams whose bodies are not sent yet.
pub(super) struct SendWindow {
    connection: i64,
    initial: i64,
    frame_bytes_max: usize,
    waiting: BTreeMap<u32, WaitingBody>,
}

impl Default for SendWindow {
    fn default() -> Self {
        Self {
            connection: 65_535,
            initial: 65_535,
            frame_bytes_max: 16_384,
            waiting: BTreeMap::new(),
        }
    }
}

impl SendWindow {
    /// A setting of the server, which concerns open streams too.
    pub(super) fn set_initial(&mut self, bytes: u32) {
        let change = i64::from(bytes) - self.initial;
        self.initial = i64::from(bytes);
        self.waiting.values_mut().for_each(|body| body.window += change);
    }

    pub(super) fn set_frame_bytes_max(&mut self, bytes: u32) {
        self.frame_bytes_max = usize::try_from(bytes).unwrap_or(self.frame_bytes_max);
    }

    /// The server has room for more, of a stream or, for stream 0, of the connection.
    pub(super) fn grow(&mut self, stream: u32, bytes: u32) {
        if stream == 0 {
            self.connection += i64::from(bytes);
        } else if let Some(body) = self.waiting.get_mut(&stream) {
            body.window += i64::from(bytes);
        }
    }

    /// Sends the whole body of a new stream, now or when there is room.
    pub(super) fn send_whole(&mut self, stream: u32, body: &[u8], out: &mut Vec<u8>) {
        let length = i64::try_from(body.len()).unwrap_or(i64::MAX);
        let fits = length <= self.connection.min(self.initial);
        if fits && body.len() <= self.frame_bytes_max && self.waiting.is_empty() {
            self.connection -= length;
            let frame = FrameHead { kind: DATA, flags: END_STREAM, stream };
            write_frame_header(out, body.len(), frame);
            return out.extend_from_slice(body);
        }
        self.open(stream);
        self.add(stream, body, true);
        self.send_waiting(out);
    }

    /// A new stream whose body comes in parts.
    pub(super) fn open(&mut self, stream: u32) {
        let body =
            WaitingBody { bytes: Vec::new(), sent: 0, window: self.initial, is_complete: false };
        self.waiting.insert(stream, body);
    }

    /// Adds a part of a body.
    pub(super) fn add(&mut self, stream: u32, part: &[u8], is_last: bool) {
        if let Some(body) = self.waiting.get_mut(&stream) {
            body.bytes.drain(..body.sent);
            body.sent = 0;
            body.bytes.extend_from_slice(part);
            body.is_complete |= is_last;
        }
    }

    /// How many bytes of a stream wait.
    pub(super) fn waiting_bytes(&self, stream: u32) -> usize {
        self.waiting.get(&stream).map_or(0, |body| body.bytes.len() - body.sent)
    }

    /// The stream has ended: what waits is not sent.
    pub(super) fn forget(&mut self, stream: u32) {
        self.waiting.remove(&stream);
    }

    /// Sends what there is room for.
    pub(super) fn send_waiting(&mut self, out: &mut Vec<u8>) {
        let Self { connection, frame_bytes_max, waiting, .. } = self;
        waiting.retain(|stream, body| {
            loop {
                let unsent = body.bytes.get(body.sent..).unwrap_or_default();
                let room = usize::try_from(body.window.min(*connection)).unwrap_or(0);
                let length = unsent.len().min(room).min(*frame_bytes_max);
                let ends = body.is_complete && length == unsent.len();
                if length == 0 && !ends {
                    return true;
                }

                let flags = if ends { END_STREAM } else { 0 };
                write_frame_header(out, length, FrameHead { kind: DATA, flags, stream: *stream });
                out.extend_from_slice(unsent.get(..length).unwrap_or_default());
                body.sent += length;
                let taken = i64::try_from(length).unwrap_or(i64::MAX);
                body.window -= taken;
                *connection -= taken;
                if ends {
                    return false;
                }
            }
        });
    }
}
