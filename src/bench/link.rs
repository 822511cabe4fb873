//! A connection of the generator and the calls on it.

use super::dataset::{Dataset, Question};
use super::http2::{CallOptions, Http2Connection, Http2Error, Received, StreamEnd};
use super::pending::PendingCall;
use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

/// How often in a row a connection is opened anew without an answer in between.
const REOPENINGS_MAX: u32 = 3;

/// A call that has ended.
pub(super) struct EndedCall {
    pub(super) call: PendingCall,
    pub(super) end: StreamEnd,
}

/// A connection and its calls.
pub(super) struct Link {
    connection: Http2Connection,
    address: SocketAddr,
    options: CallOptions,
    calls: HashMap<u32, PendingCall>,
    /// What has to be called on this connection next: what follows on an answer, and what the server did not begin.
    queue: VecDeque<(Question, Instant)>,
    has_output: bool,
    reopenings: u32,
    body: Vec<u8>,
}

impl Link {
    pub(super) fn open(address: SocketAddr, options: &CallOptions) -> Result<Self, Http2Error> {
        Ok(Self {
            connection: Http2Connection::open(address, options)?,
            address,
            options: options.clone(),
            calls: HashMap::new(),
            queue: VecDeque::new(),
            has_output: false,
            reopenings: 0,
            body: Vec::new(),
        })
    }

    pub(super) fn connection(&self) -> &Http2Connection {
        &self.connection
    }

    /// Whether something waits for the socket to take it.
    pub(super) fn has_output(&self) -> bool {
        self.has_output
    }

    pub(super) fn is_idle(&self) -> bool {
        self.calls.is_empty() && self.queue.is_empty()
    }

    /// Whether another call can be made, of at most so many at the same time.
    pub(super) fn has_room(&self, in_flight: usize) -> bool {
        let max = in_flight.min(self.connection.streams_max());
        self.calls.len() < max && !self.connection.is_retired()
    }

    /// A call that has to be made next.
    pub(super) fn enqueue(&mut self, question: Question, intended: Instant) {
        self.queue.push_back((question, intended));
    }

    /// What has to be called next, if anything has.
    pub(super) fn next_in_queue(&mut self) -> Option<(Question, Instant)> {
        self.queue.pop_front()
    }

    /// Makes a call; [`Self::flush`] sends it.
    pub(super) fn call(&mut self, dataset: &Dataset, question: Question, intended: Instant) {
        let (path, right) = dataset.write_request(&question, &mut self.body);
        let stream = self.connection.call(path, &self.body);
        self.calls.insert(stream, PendingCall::new(question, right, intended));
        self.has_output = true;
    }

    /// Sends what the socket takes.
    pub(super) fn flush(&mut self) -> Result<(), Http2Error> {
        self.has_output = !self.connection.flush()?;
        Ok(())
    }

    /// Reads what has come; calls that have ended are added to a list.
    pub(super) fn receive(&mut self, ended: &mut Vec<EndedCall>) -> Result<(), Http2Error> {
        let Self { connection, calls, queue, reopenings, .. } = self;
        connection.receive(&mut |stream, received| match received {
            Received::Data(data) => {
                if let Some(call) = calls.get_mut(&stream) {
                    call.take(data);
                }
            }
            Received::End(end) => {
                let Some(call) = calls.remove(&stream) else { return };
                *reopenings = 0;
                if end == StreamEnd::Unprocessed {
                    queue.push_back((call.question, call.intended));
                } else {
                    ended.push(EndedCall { call, end });
                }
            }
        })?;

        // What was read may have to be acknowledged, or have made room for more.
        self.has_output = true;
        Ok(())
    }

    /// Opens the connection anew if the server takes no more calls on it and all are answered.
    pub(super) fn renew_if_retired(&mut self) -> Result<(), Http2Error> {
        if self.connection.is_retired() && self.calls.is_empty() {
            self.reopen()?;
        }
        Ok(())
    }

    /// Opens the connection anew after it broke; returns the calls that were not answered.
    pub(super) fn reopen_broken(
        &mut self,
        error: Http2Error,
    ) -> Result<Vec<PendingCall>, Http2Error> {
        if self.reopenings >= REOPENINGS_MAX {
            return Err(error);
        }
        let lost = self.calls.drain().map(|(_, call)| call).collect();
        self.reopen()?;
        Ok(lost)
    }

    fn reopen(&mut self) -> Result<(), Http2Error> {
        self.reopenings += 1;
        self.connection = Http2Connection::open(self.address, &self.options)?;
        self.has_output = true;
        Ok(())
    }

    /// The calls that have no answer when a round is over.
    pub(super) fn into_unanswered(self) -> impl Iterator<Item = PendingCall> {
        self.calls.into_values()
    }
}
