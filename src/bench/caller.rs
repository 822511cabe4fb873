//! Calls one after the other, for what is done before measuring: schema, data, marker.

use super::http2::{CallOptions, Http2Connection, Http2Error, Received, StreamEnd};
use super::messages::{begin_message, end_message};
use super::pending::code_name;
use super::wait::wait_for_input;
use std::net::SocketAddr;
use std::time::Duration;
use thiserror::Error;

/// How long a server may be silent during a call: the end of an import of very much takes its time.
const SILENCE_MAX: Duration = Duration::from_mins(10);
/// How much of a stream may wait to be sent before more is added.
const WAITING_BYTES_MAX: usize = 4 << 20;

/// Why a call failed.
#[derive(Debug, Error)]
pub(super) enum CallFault {
    #[error("{} {message}", code_name(*status))]
    Status { status: u32, message: String },
    #[error("{0}")]
    Ended(String),
    #[error(transparent)]
    Connection(#[from] Http2Error),
}

impl CallFault {
    /// Whether the server answered with this status.
    pub(super) fn is_status(&self, wanted: u32) -> bool {
        matches!(self, Self::Status { status, .. } if *status == wanted)
    }
}

/// A connection for calls one after the other.
pub(super) struct BlockingCaller {
    connection: Http2Connection,
    body: Vec<u8>,
}

impl BlockingCaller {
    pub(super) fn open(address: SocketAddr, options: &CallOptions) -> Result<Self, Http2Error> {
        Ok(Self { connection: Http2Connection::open(address, options)?, body: Vec::new() })
    }

    /// Calls a method with one message; returns the message of the answer.
    pub(super) fn call(
        &mut self,
        path: &'static str,
        write: impl FnOnce(&mut Vec<u8>),
    ) -> Result<Vec<u8>, CallFault> {
        begin_message(&mut self.body);
        write(&mut self.body);
        end_message(&mut self.body);
        let stream = self.connection.call(path, &self.body);
        self.await_answer(stream)
    }

    /// Calls a method with a stream of messages, each written by `next` until that returns `false`.
    pub(super) fn call_streaming(
        &mut self,
        path: &'static str,
        mut next: impl FnMut(&mut Vec<u8>) -> bool,
    ) -> Result<Vec<u8>, CallFault> {
        let stream = self.connection.call_streaming(path);
        let mut answer = StreamAnswer::default();
        loop {
            begin_message(&mut self.body);
            let is_there = next(&mut self.body);
            end_message(&mut self.body);
            let message = if is_there { self.body.as_slice() } else { &[] };
            self.connection.send(stream, message, !is_there);
            if !is_there {
                return self.finish(stream, answer);
            }

            while self.connection.waiting_bytes(stream) > WAITING_BYTES_MAX {
                self.exchange(stream, &mut answer)?;
                if answer.end.is_some() {
                    return answer.into_result();
                }
            }
        }
    }

    fn await_answer(&mut self, stream: u32) -> Result<Vec<u8>, CallFault> {
        self.finish(stream, StreamAnswer::default())
    }

    fn finish(&mut self, stream: u32, mut answer: StreamAnswer) -> Result<Vec<u8>, CallFault> {
        while answer.end.is_none() {
            self.exchange(stream, &mut answer)?;
        }
        answer.into_result()
    }

    /// Sends and reads once.
    fn exchange(&mut self, stream: u32, answer: &mut StreamAnswer) -> Result<(), CallFault> {
        let is_sent = self.connection.flush()?;
        let mut ready = Vec::new();
        let connections = std::iter::once(&self.connection);
        wait_for_input(connections, |_| !is_sent, SILENCE_MAX, &mut ready)?;
        if ready.first() == Some(&true) {
            self.connection.receive(&mut |id, received| {
                if id == stream {
                    answer.take(received);
                }
            })?;
        } else if is_sent {
            return Err(CallFault::Ended("the server did not answer for 10 minutes".to_owned()));
        }
        Ok(())
    }
}

/// What has come of an answer.
#[derive(Default)]
struct StreamAnswer {
    data: Vec<u8>,
    end: Option<StreamEnd>,
}

impl StreamAnswer {
    fn take(&mut self, received: Received<'_>) {
        match received {
            Received::Data(data) => self.data.extend_from_slice(data),
            Received::End(end) => self.end = Some(end),
        }
    }

    /// The first message, which is the only one of the methods that are called here.
    fn into_result(self) -> Result<Vec<u8>, CallFault> {
        match self.end {
            Some(StreamEnd::Head(head)) => match head.grpc_status {
                Some(0) => Ok(self.data.get(5..).unwrap_or_default().to_vec()),
                Some(status) => {
                    let message = head.grpc_message.unwrap_or_default();
                    Err(CallFault::Status { status, message })
                }
                None => Err(CallFault::Ended("the answer has no status of gRPC".to_owned())),
            },
            Some(StreamEnd::Reset(code)) => {
                Err(CallFault::Ended(format!("the server reset the call, code {code}")))
            }
            Some(StreamEnd::Unprocessed) | None => {
                Err(CallFault::Ended("the server takes no calls".to_owned()))
            }
        }
    }
}
