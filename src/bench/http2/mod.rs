//! HTTP/2 as a client of gRPC needs it, with hand-made frames: little is allocated and nothing is spawned for a call.

mod connection;
mod frames;
mod headers;
mod hpack;
mod huffman;
mod send_window;

pub(super) use connection::{Http2Connection, Http2Error, Received, StreamEnd};
pub(super) use headers::CallOptions;
