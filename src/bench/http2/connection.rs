//! One connection: frames out, frames in, and what they mean for calls.

use super::frames::{DATA, END_STREAM, FrameHead, HEADERS, write_frame_header};
use super::headers::{CallOptions, HeaderEncoder};
use super::hpack::{HeaderBlockError, HeaderDecoder, ResponseHead};
use super::send_window::SendWindow;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use std::io::{ErrorKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;
use thiserror::Error;

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const FRAME_HEADER_BYTES: usize = 9;
/// How long the connection, and the server's first frame, may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How much is read at once.
const READ_BYTES: usize = 256 << 10;
/// What the server may send before it hears that it was read: as much as the protocol allows, so that it never waits.
const WINDOW_BYTES_MAX: u32 = i32::MAX.unsigned_abs();
const USUAL_WINDOW_BYTES: u32 = 65_535;
/// The window is opened again when so much of it has been used.
const WINDOW_BYTES_RETURNED: u32 = 1 << 28;
/// The code of a stream that the server has not begun.
const REFUSED_STREAM: u32 = 7;
/// The last id that a stream can have.
const STREAM_ID_MAX: u32 = i32::MAX.unsigned_abs();

const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;
const CONTINUATION: u8 = 9;

const ACK: u8 = 0x1;
const END_HEADERS: u8 = 0x4;

const SETTING_HEADER_TABLE_SIZE: u16 = 1;
const SETTING_CONCURRENT_STREAMS_MAX: u16 = 3;
const SETTING_INITIAL_WINDOW_SIZE: u16 = 4;
const SETTING_FRAME_SIZE_MAX: u16 = 5;

/// Why a connection cannot be used, or not any longer.
#[derive(Debug, Error)]
pub(in crate::bench) enum Http2Error {
    #[error("cannot connect to {0}: {1}")]
    Connect(SocketAddr, std::io::Error),
    #[error("the connection broke: {0}")]
    Io(#[from] std::io::Error),
    #[error("the server closed the connection")]
    Closed,
    #[error(
        "the server did not begin HTTP/2 within 10 seconds: does it speak gRPC without TLS at this address?"
    )]
    Silent,
    #[error("the server sent a frame that breaks the rules of HTTP/2")]
    Frame,
    #[error(transparent)]
    Headers(#[from] HeaderBlockError),
}

/// How a call ended.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::bench) enum StreamEnd {
    /// With headers, which should have a status of gRPC.
    Head(ResponseHead),
    /// The server reset the stream, with this code of HTTP/2.
    Reset(u32),
    /// The server did not begin the call, so that it can be made again on another connection.
    Unprocessed,
}

/// What the server sent on a stream.
#[derive(Debug)]
pub(in crate::bench) enum Received<'a> {
    /// A part of the answer: messages of gRPC, cut anywhere.
    Data(&'a [u8]),
    End(StreamEnd),
}

/// A header block in several frames.
struct OpenBlock {
    first: FrameHead,
    bytes: Vec<u8>,
}

/// A connection to a server that speaks HTTP/2 in plain text.
pub(in crate::bench) struct Http2Connection {
    socket: TcpStream,
    /// What has been read: whole frames are handled at once, so that less than one is kept.
    input: Vec<u8>,
    input_bytes: usize,
    output: Vec<u8>,
    encoder: HeaderEncoder,
    decoder: HeaderDecoder,
    window: SendWindow,
    open_block: Option<OpenBlock>,
    header_block: Vec<u8>,
    /// Bytes of answers since the window was opened again.
    taken_bytes: u32,
    next_stream: u32,
    streams_max: usize,
    has_settings: bool,
    is_retired: bool,
}

impl Http2Connection {
    /// Connects, and waits for the server's settings.
    pub(in crate::bench) fn open(
        address: SocketAddr,
        options: &CallOptions,
    ) -> Result<Self, Http2Error> {
        let connect_error = |error| Http2Error::Connect(address, error);
        let socket =
            TcpStream::connect_timeout(&address, CONNECT_TIMEOUT).map_err(connect_error)?;
        socket.set_nodelay(true)?;
        socket.set_nonblocking(true)?;

        let mut connection = Self {
            socket,
            input: vec![0; READ_BYTES],
            input_bytes: 0,
            output: PREFACE.to_vec(),
            encoder: HeaderEncoder::new(options),
            decoder: HeaderDecoder::default(),
            window: SendWindow::default(),
            open_block: None,
            header_block: Vec::new(),
            taken_bytes: 0,
            next_stream: 1,
            streams_max: usize::MAX,
            has_settings: false,
            is_retired: false,
        };
        connection.write_preface();
        connection.await_settings()?;
        Ok(connection)
    }

    fn write_preface(&mut self) {
        write_frame_header(&mut self.output, 6, FrameHead { kind: SETTINGS, flags: 0, stream: 0 });
        self.output.extend_from_slice(&SETTING_INITIAL_WINDOW_SIZE.to_be_bytes());
        self.output.extend_from_slice(&WINDOW_BYTES_MAX.to_be_bytes());
        self.write_window_update(WINDOW_BYTES_MAX - USUAL_WINDOW_BYTES);
    }

    fn await_settings(&mut self) -> Result<(), Http2Error> {
        let timeout = Timespec::try_from(CONNECT_TIMEOUT).ok();
        while !self.has_settings {
            self.flush()?;
            let mut sockets = [PollFd::new(&self.socket, PollFlags::IN)];
            if poll(&mut sockets, timeout.as_ref()).map_err(std::io::Error::from)? == 0 {
                return Err(Http2Error::Silent);
            }
            self.receive(&mut |_, _| {}).map_err(|error| match error {
                // Such as a server with TLS, or one that speaks HTTP/1.
                Http2Error::Closed | Http2Error::Frame => Http2Error::Silent,
                Http2Error::Connect(..)
                | Http2Error::Io(_)
                | Http2Error::Silent
                | Http2Error::Headers(_) => error,
            })?;
        }
        Ok(())
    }

    /// The socket, to wait for what the server sends.
    pub(in crate::bench) fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Whether no call can be begun any more: the server closes, or the ids of streams are used up.
    pub(in crate::bench) fn is_retired(&self) -> bool {
        self.is_retired || self.next_stream > STREAM_ID_MAX
    }

    /// How many calls the server allows at the same time.
    pub(in crate::bench) fn streams_max(&self) -> usize {
        self.streams_max
    }

    /// Begins a call whose request is one message; returns the id of its stream. [`Self::flush`] sends it.
    pub(in crate::bench) fn call(&mut self, path: &'static str, body: &[u8]) -> u32 {
        let stream = self.begin(path);
        self.window.send_whole(stream, body, &mut self.output);
        stream
    }

    /// Begins a call whose request is a stream of messages.
    pub(in crate::bench) fn call_streaming(&mut self, path: &'static str) -> u32 {
        let stream = self.begin(path);
        self.window.open(stream);
        stream
    }

    /// Adds messages to a request.
    pub(in crate::bench) fn send(&mut self, stream: u32, messages: &[u8], is_last: bool) {
        self.window.add(stream, messages, is_last);
        self.window.send_waiting(&mut self.output);
    }

    /// How much of a request waits for the server.
    pub(in crate::bench) fn waiting_bytes(&self, stream: u32) -> usize {
        self.window.waiting_bytes(stream) + self.output.len()
    }

    fn begin(&mut self, path: &'static str) -> u32 {
        let stream = self.next_stream;
        self.next_stream += 2;
        self.header_block.clear();
        self.encoder.encode(path, &mut self.header_block);
        let length = self.header_block.len();
        write_frame_header(
            &mut self.output,
            length,
            FrameHead { kind: HEADERS, flags: END_HEADERS, stream },
        );
        self.output.extend_from_slice(&self.header_block);
        stream
    }

    /// Writes what is to be sent as far as the socket takes it; returns whether that was all.
    pub(in crate::bench) fn flush(&mut self) -> Result<bool, Http2Error> {
        let mut written = 0;
        let result = loop {
            let rest = self.output.get(written..).unwrap_or_default();
            if rest.is_empty() {
                break Ok(true);
            }
            match self.socket.write(rest) {
                Ok(count) => written += count,
                Err(error) if is_temporary(&error) => break Ok(false),
                Err(error) => break Err(error.into()),
            }
        };
        self.output.drain(..written);
        result
    }

    /// Reads what has come, and gives it to a function, with the id of the stream.
    pub(in crate::bench) fn receive(
        &mut self,
        take: &mut impl FnMut(u32, Received<'_>),
    ) -> Result<(), Http2Error> {
        let free = self.input.get_mut(self.input_bytes..).unwrap_or_default();
        match self.socket.read(free) {
            Ok(0) => return Err(Http2Error::Closed),
            Ok(count) => self.input_bytes += count,
            Err(error) if is_temporary(&error) => return Ok(()),
            Err(error) => return Err(error.into()),
        }

        let mut input = std::mem::take(&mut self.input);
        let result = self.read_frames(input.get(..self.input_bytes).unwrap_or_default(), take);
        if let Ok(handled) = result {
            input.copy_within(handled..self.input_bytes, 0);
            self.input_bytes -= handled;
        }
        self.input = input;
        result?;

        if self.taken_bytes > WINDOW_BYTES_RETURNED {
            let taken = std::mem::take(&mut self.taken_bytes);
            self.write_window_update(taken);
        }
        Ok(())
    }

    /// Handles whole frames; returns how many bytes they were.
    fn read_frames(
        &mut self,
        input: &[u8],
        take: &mut impl FnMut(u32, Received<'_>),
    ) -> Result<usize, Http2Error> {
        let mut rest = input;
        while let Some((header, tail)) = rest.split_first_chunk::<FRAME_HEADER_BYTES>() {
            let [high, middle, low, kind, flags, stream @ ..] = *header;
            let length = u32::from_be_bytes([0, high, middle, low]);
            let length = usize::try_from(length).map_err(|_| Http2Error::Frame)?;
            let Some((payload, next)) = tail.split_at_checked(length) else { break };
            let stream = u32::from_be_bytes(stream) & STREAM_ID_MAX;
            self.read_frame(FrameHead { kind, flags, stream }, payload, take)?;
            rest = next;
        }
        Ok(input.len() - rest.len())
    }

    fn read_frame(
        &mut self,
        frame: FrameHead,
        payload: &[u8],
        take: &mut impl FnMut(u32, Received<'_>),
    ) -> Result<(), Http2Error> {
        match frame.kind {
            DATA => {
                self.taken_bytes += u32::try_from(payload.len()).unwrap_or_default();
                take(
                    frame.stream,
                    Received::Data(frame.content(payload).ok_or(Http2Error::Frame)?),
                );
                if frame.has(END_STREAM) {
                    self.end(frame.stream, StreamEnd::Head(ResponseHead::default()), take);
                }
            }
            HEADERS => {
                let content = frame.content(payload).ok_or(Http2Error::Frame)?;
                self.read_block(frame, content, take)?;
            }
            CONTINUATION => {
                let mut block = self.open_block.take().ok_or(Http2Error::Frame)?;
                block.bytes.extend_from_slice(payload);
                let flags = block.first.flags | frame.flags & END_HEADERS;
                self.read_block(FrameHead { flags, ..block.first }, &block.bytes, take)?;
            }
            RST_STREAM => {
                let end = match first_number(payload)? {
                    REFUSED_STREAM => StreamEnd::Unprocessed,
                    code => StreamEnd::Reset(code),
                };
                self.end(frame.stream, end, take);
            }
            SETTINGS if !frame.has(ACK) => self.apply_settings(payload)?,
            PING if !frame.has(ACK) => {
                write_frame_header(
                    &mut self.output,
                    payload.len(),
                    FrameHead { kind: PING, flags: ACK, stream: 0 },
                );
                self.output.extend_from_slice(payload);
            }
            GOAWAY => self.retire(first_number(payload)?, take),
            WINDOW_UPDATE => {
                self.window.grow(frame.stream, first_number(payload)?);
                self.window.send_waiting(&mut self.output);
            }
            // Priorities, and what later versions may add.
            _ => {}
        }

        Ok(())
    }

    /// Decodes a header block if it is whole, or else keeps it.
    fn read_block(
        &mut self,
        frame: FrameHead,
        block: &[u8],
        take: &mut impl FnMut(u32, Received<'_>),
    ) -> Result<(), Http2Error> {
        if !frame.has(END_HEADERS) {
            self.open_block = Some(OpenBlock { first: frame, bytes: block.to_vec() });
            return Ok(());
        }
        let head = self.decoder.decode(block)?;
        if frame.has(END_STREAM) {
            self.end(frame.stream, StreamEnd::Head(head), take);
        }
        Ok(())
    }

    fn end(&mut self, stream: u32, end: StreamEnd, take: &mut impl FnMut(u32, Received<'_>)) {
        self.window.forget(stream);
        take(stream, Received::End(end));
    }

    fn apply_settings(&mut self, payload: &[u8]) -> Result<(), Http2Error> {
        let (settings, []) = payload.as_chunks::<6>() else { return Err(Http2Error::Frame) };
        for [name_high, name_low, value @ ..] in settings {
            let value = u32::from_be_bytes(*value);
            let count = usize::try_from(value).unwrap_or(usize::MAX);
            match u16::from_be_bytes([*name_high, *name_low]) {
                SETTING_HEADER_TABLE_SIZE if !self.has_settings => self.encoder.limit_table(count),
                SETTING_CONCURRENT_STREAMS_MAX => self.streams_max = count,
                SETTING_INITIAL_WINDOW_SIZE => self.window.set_initial(value),
                SETTING_FRAME_SIZE_MAX => self.window.set_frame_bytes_max(value),
                _ => {}
            }
        }
        self.has_settings = true;
        write_frame_header(
            &mut self.output,
            0,
            FrameHead { kind: SETTINGS, flags: ACK, stream: 0 },
        );
        Ok(())
    }

    /// The server takes no more calls, and has not begun those after `last`.
    fn retire(&mut self, last: u32, take: &mut impl FnMut(u32, Received<'_>)) {
        self.is_retired = true;
        let unprocessed = (last & STREAM_ID_MAX).saturating_add(1) | 1;
        for stream in (unprocessed..self.next_stream).step_by(2) {
            self.end(stream, StreamEnd::Unprocessed, take);
        }
    }

    fn write_window_update(&mut self, bytes: u32) {
        write_frame_header(
            &mut self.output,
            4,
            FrameHead { kind: WINDOW_UPDATE, flags: 0, stream: 0 },
        );
        self.output.extend_from_slice(&bytes.to_be_bytes());
    }
}

fn is_temporary(error: &std::io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

/// The number that a payload begins with, without its reserved bit.
fn first_number(payload: &[u8]) -> Result<u32, Http2Error> {
    let number = payload.first_chunk::<4>().ok_or(Http2Error::Frame)?;
    Ok(u32::from_be_bytes(*number) & STREAM_ID_MAX)
}
