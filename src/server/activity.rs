//! Activity of a connection, and the timeouts that close an inactive one.

use super::tls::ServerStream;
use crate::config::ConnectionOptions;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

/// A client has sent this many bytes when it has begun its first frame: the HTTP/2 preface, then the header of a frame.
const HANDSHAKE_BYTES: usize = 24 + 9;

/// Longer timeouts, which may exceed the range of instants, count as this one.
const LONGEST_TIMER: Duration = Duration::from_hours(24 * 365);
/// How a connection of HTTP/2 begins, and none of HTTP/1.1.
const HTTP2_START: &[u8] = b"PRI";

/// Activity of a connection.
#[derive(Debug)]
pub(super) struct Activity {
    started: Instant,
    has_handshake: AtomicBool,
    /// Calls in progress.
    streams: AtomicUsize,
    /// When the last call ended, in milliseconds since the start.
    idle_since: AtomicU64,
    /// Calls that have begun.
    begun: AtomicU64,
    /// Whether the headers of a request in HTTP/1.1 did not end in time.
    has_late_head: AtomicBool,
}

/// Whether a connection has timed out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TimeoutStatus {
    /// It may stay; look again after this time.
    Keep(Duration),
    /// It has no call for too long.
    Idle,
    /// It has not spoken HTTP/2 in time.
    NoHandshake,
}

impl Activity {
    /// A connection that starts now.
    pub(super) fn start() -> Arc<Self> {
        Arc::new(Self {
            started: Instant::now(),
            has_handshake: AtomicBool::new(false),
            streams: AtomicUsize::new(0),
            idle_since: AtomicU64::new(0),
            begun: AtomicU64::new(0),
            has_late_head: AtomicBool::new(false),
        })
    }

    /// Whether the client speaks HTTP/2.
    pub(super) fn has_handshake(&self) -> bool {
        self.has_handshake.load(Ordering::Relaxed)
    }

    /// Whether calls are in progress.
    pub(super) fn has_streams(&self) -> bool {
        self.streams.load(Ordering::Acquire) > 0
    }

    /// Whether as many calls are in progress as one connection may have.
    pub(super) fn is_full(&self, calls_max: u32) -> bool {
        let calls_max = usize::try_from(calls_max).unwrap_or(usize::MAX);
        self.streams.load(Ordering::Relaxed) >= calls_max
    }

    /// Counts a call until the result is dropped.
    pub(super) fn open_stream(self: &Arc<Self>) -> OpenStream {
        // A request in HTTP/1.1 may be shorter than the handshake of HTTP/2.
        self.has_handshake.store(true, Ordering::Relaxed);
        self.begun.fetch_add(1, Ordering::Relaxed);
        self.streams.fetch_add(1, Ordering::Relaxed);
        OpenStream(Arc::clone(self))
    }

    /// Whether the connection ends because the headers of a request in HTTP/1.1 did not end in time.
    pub(super) fn has_late_head(&self) -> bool {
        self.has_late_head.load(Ordering::Relaxed)
    }

    /// Whether the connection has timed out by now.
    pub(super) fn status(&self, options: &ConnectionOptions) -> TimeoutStatus {
        self.status_at(self.started.elapsed(), options)
    }

    fn status_at(&self, age: Duration, options: &ConnectionOptions) -> TimeoutStatus {
        if !self.has_handshake() {
            return remaining(age, options.handshake_timeout)
                .map_or(TimeoutStatus::NoHandshake, TimeoutStatus::Keep);
        }
        if self.has_streams() {
            return TimeoutStatus::Keep(options.idle_timeout);
        }
        let idle_since = Duration::from_millis(self.idle_since.load(Ordering::Relaxed));
        let idle = age.saturating_sub(idle_since);
        remaining(idle, options.idle_timeout).map_or(TimeoutStatus::Idle, TimeoutStatus::Keep)
    }
}

/// The instant after a duration, at most [`LONGEST_TIMER`] when the sum is out of range.
pub(super) fn instant_after(time: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(time).unwrap_or(now + LONGEST_TIMER)
}

/// How much of a timeout is left.
fn remaining(elapsed: Duration, timeout: Duration) -> Option<Duration> {
    timeout.checked_sub(elapsed).filter(|left| !left.is_zero())
}

/// A call in progress.
#[derive(Debug)]
pub(super) struct OpenStream(Arc<Activity>);

impl Drop for OpenStream {
    fn drop(&mut self) {
        let now = self.0.started.elapsed().as_millis();
        self.0.idle_since.store(u64::try_from(now).unwrap_or(u64::MAX), Ordering::Relaxed);
        // Released after the time is stored: a reader that sees no call sees since when.
        self.0.streams.fetch_sub(1, Ordering::Release);
    }
}

/// A connection's socket, which notes when the client has spoken HTTP/2.
#[derive(Debug)]
pub(super) struct ObservedStream {
    stream: ServerStream,
    activity: Arc<Activity>,
    received: usize,
    head: Option<HeadTimer>,
}

/// Limits how long the headers of a request in HTTP/1.1 may take. The timer of the HTTP library also runs while no request has begun,
/// and would close idle connections.
#[derive(Debug)]
struct HeadTimer {
    timeout: Duration,
    sleep: Pin<Box<Sleep>>,
    /// How many calls had begun when these headers did; `None` where none have begun.
    since: Option<u64>,
    /// The first bytes of the connection.
    first: Vec<u8>,
}

impl ObservedStream {
    pub(super) fn new(stream: ServerStream, activity: Arc<Activity>) -> Self {
        Self { stream, activity, received: 0, head: None }
    }

    /// The same, on which the headers of a request in HTTP/1.1 may take so long.
    pub(super) fn with_head_timeout(self, timeout: Duration) -> Self {
        let sleep = Box::pin(tokio::time::sleep(Duration::ZERO));
        Self { head: Some(HeadTimer { timeout, sleep, since: None, first: Vec::new() }), ..self }
    }
}

impl HeadTimer {
    /// Notes bytes that have arrived. Between two calls they are the start of headers. Those that arrive with the end of the call
    /// before are not seen: such a connection may stay as long as an idle one.
    fn note(&mut self, bytes: &[u8], activity: &Activity) {
        let missing = HTTP2_START.len().saturating_sub(self.first.len());
        self.first.extend(bytes.iter().take(missing));
        let begun = activity.begun.load(Ordering::Relaxed);
        let is_http2 = self.first == HTTP2_START;
        if is_http2 || activity.has_streams() {
            self.since = None;
        } else if self.since != Some(begun) {
            self.since = Some(begun);
            self.sleep.as_mut().reset(instant_after(self.timeout));
        }
    }

    /// Whether headers that have begun have not ended in time.
    fn poll_late(&mut self, activity: &Activity, context: &mut Context<'_>) -> bool {
        let begun = activity.begun.load(Ordering::Relaxed);
        self.since == Some(begun) && self.sleep.as_mut().poll(context).is_ready()
    }
}

impl AsyncRead for ObservedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if let Some(head) = &mut this.head {
            let (_, arrived) = buffer.filled().split_at(before);
            if !arrived.is_empty() {
                head.note(arrived, &this.activity);
            } else if polled.is_pending() && head.poll_late(&this.activity, context) {
                this.activity.has_late_head.store(true, Ordering::Relaxed);
                return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
            }
        }
        ready!(polled)?;

        if self.received < HANDSHAKE_BYTES {
            self.received += buffer.filled().len() - before;
            if self.received >= HANDSHAKE_BYTES {
                self.activity.has_handshake.store(true, Ordering::Relaxed);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for ObservedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPTIONS: ConnectionOptions = ConnectionOptions {
        max: None,
        handshake_timeout: Duration::from_secs(10),
        idle_timeout: Duration::from_mins(1),
        keepalive_interval: Duration::from_secs(30),
        keepalive_timeout: Duration::from_secs(20),
        calls_max: 1,
    };

    #[test]
    fn a_timer_of_any_length_can_be_set() {
        let longest = instant_after(Duration::MAX);
        assert!(longest > Instant::now() + LONGEST_TIMER / 2);
        assert!(instant_after(Duration::ZERO) <= Instant::now());
    }

    #[test]
    fn a_connection_may_be_mute_and_idle_for_a_while() {
        let activity = Activity::start();
        let seconds = Duration::from_secs;
        let status = |age| activity.status_at(seconds(age), &OPTIONS);
        assert_eq!(status(0), TimeoutStatus::Keep(seconds(10)));
        assert_eq!(status(10), TimeoutStatus::NoHandshake);

        activity.has_handshake.store(true, Ordering::Relaxed);
        assert_eq!(status(10), TimeoutStatus::Keep(seconds(50)));
        let call = activity.open_stream();
        assert_eq!(status(3_600), TimeoutStatus::Keep(OPTIONS.idle_timeout));
        drop(call);
        activity.idle_since.store(3_600_000, Ordering::Relaxed);
        assert_eq!(status(3_600), TimeoutStatus::Keep(OPTIONS.idle_timeout));
        assert_eq!(status(3_660), TimeoutStatus::Idle);
    }
}
