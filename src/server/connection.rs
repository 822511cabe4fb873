//! One connection: its TLS handshake, how HTTP/2 is served on it, and when it is closed.

use super::activity::{Activity, ObservedStream, OpenStream, TimeoutStatus, instant_after};
use super::batch_executor::{BatchExecutor, ConnectionLoad};
use super::registry::{ConnectionCommand, Proof, Ticket};
use super::stream_body::StreamBody;
use super::tls::{self, TlsIdentity};
use crate::api::{
    Admission, CallArrival, ClientCertificate, ConcurrencyLimiter, ConnectionCaller, DirectChecks,
    PeerAddress,
};
use crate::config::ConnectionOptions;
use crate::metrics::{CallMetrics, ClosingReason, ReachedLimit};
use crate::telemetry::Throttle;
use http_body::{Body as HttpBody, Frame, SizeHint};
use hyper::body::Incoming;
use hyper::server::conn::http2;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::error::Error as _;
use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{Bytes, Service as _};
use tonic::service::Routes;

/// How long an idle client may take to close its side after the server has sent GOAWAY.
pub(super) const IDLE_CLOSE_MAX: Duration = Duration::from_secs(5);

/// How often failed handshakes are logged at most.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// The most calls that a client may cancel before the server has looked at them. A client that sends and cancels calls in
/// quick succession ("rapid reset", CVE-2023-44487) is cut off here.
pub(super) const PENDING_RESETS_MAX: usize = 100;
/// The most calls on which a client may break the protocol before it is cut off.
pub(super) const ERROR_RESETS_MAX: usize = 100;
/// The most bytes of a call's headers. Keys, ids and tracing headers take some hundred.
const HEADER_BYTES_MAX: u32 = 16 << 10;
/// The most bytes of requests that a connection may send before they are read, for one call and for all.
pub(super) const WINDOW_BYTES: u32 = 1 << 20;

/// How the connections of a listener are served.
#[derive(Clone)]
pub(super) struct ConnectionService {
    /// The services that answer.
    pub(super) routes: Routes,
    /// Answers checks in place of the routes, where these have one database.
    pub(super) checks: Option<DirectChecks>,
    /// The limits of each connection.
    pub(super) options: ConnectionOptions,
    /// TLS, unless the listener speaks plain text.
    pub(super) tls: Option<Arc<TlsIdentity>>,
    /// Counts the limits that are reached.
    pub(super) metrics: Arc<CallMetrics>,
    /// Says which calls may begin.
    pub(super) limiter: Arc<ConcurrencyLimiter>,
}

/// Serves a connection until one side closes it.
pub(super) async fn serve(stream: TcpStream, service: ConnectionService, mut ticket: Ticket) {
    let ConnectionService { routes, checks, options, tls, metrics, limiter } = service;
    let activity = Activity::start();
    let peer = stream.peer_addr().ok();
    let timeout = options.handshake_timeout.min(options.idle_timeout);
    let mut timer = pin!(tokio::time::sleep(timeout));

    let shown = tokio::select! {
        shown = tls::handshake(stream, tls.as_deref()) => shown,
        // Whatever the command, nothing has been asked yet.
        _ = ticket.commands().changed() => return,
        () = &mut timer => return metrics.closings().record(ClosingReason::HandshakeTimeout),
    };
    let (stream, certificate) = match shown {
        Ok((stream, certificate)) => (stream, certificate.map(Arc::new)),
        Err(error) => return log_failed_handshake(peer, &error),
    };
    // Not yet proven by a certificate, as anyone with one of its authority could then take every slot.
    let proof = ticket.proof();

    let io = TokioIo::new(ObservedStream::new(stream, Arc::clone(&activity)));
    let admission = admission(&proof);
    let (calls, counted) = (Arc::clone(&activity), Arc::clone(&metrics));
    let overload = ConnectionLoad { limiter, caller: Arc::default() };
    let caller = Arc::clone(&overload.caller);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let stream = calls.open_stream();
        count_full(&calls, options.calls_max, &counted);
        if !proof.is_given() {
            request.extensions_mut().insert(admission.clone());
        }
        note_client(&mut request, peer, certificate.as_ref());
        note_arrival(&mut request, &caller);
        let response = respond(request.map(StreamBody::new), routes.clone(), checks.clone());
        async move {
            let response = response.await?;
            Ok::<_, Infallible>(response.map(|body| TrackedBody::new(body, stream)))
        }
    });

    let executor = BatchExecutor::new(overload);
    let mut connection = pin!(builder(&options, executor.clone()).serve_connection(io, service));
    let mut is_draining = false;
    loop {
        tokio::select! {
            biased;
            result = executor.drive(connection.as_mut()) => {
                if let Err(error) = result {
                    count_closing(&error, &metrics);
                    tracing::debug!(%error, "a connection ended");
                }
                return;
            }
            command = ticket.commands().changed() => {
                let closes = command.is_err() || *ticket.commands().borrow_and_update() == ConnectionCommand::Close;
                // Before its handshake a connection has no call, and hyper would wait for the handshake.
                if closes || !activity.has_handshake() {
                    return;
                }
                connection.as_mut().graceful_shutdown();
                is_draining = true;
            }
            () = &mut timer => match activity.status(&options) {
                TimeoutStatus::Keep(time) => timer.as_mut().reset(instant_after(time)),
                TimeoutStatus::NoHandshake => return metrics.closings().record(ClosingReason::HandshakeTimeout),
                TimeoutStatus::Idle if is_draining => return,
                TimeoutStatus::Idle => {
                    metrics.closings().record(ClosingReason::IdleTimeout);
                    // Sends GOAWAY, so that a client which calls now does so on another connection.
                    connection.as_mut().graceful_shutdown();
                    is_draining = true;
                    timer.as_mut().reset(Instant::now() + IDLE_CLOSE_MAX);
                }
            },
        }
    }
}

/// The response of the routes, or of what answers checks in their place. It begins with the first poll, which comes when all that
/// has arrived together was received: then the message of a check is there too.
async fn respond(
    request: Request<StreamBody>,
    mut routes: Routes,
    checks: Option<DirectChecks>,
) -> Result<Response<Body>, Infallible> {
    match checks.filter(|checks| checks.covers(&request)) {
        Some(checks) => checks.call(request.map(Body::new)).await,
        None => routes.call(request).await,
    }
}

/// Counts that a connection has as many calls in progress as it may have.
pub(super) fn count_full(activity: &Activity, calls_max: u32, metrics: &CallMetrics) {
    if activity.is_full(calls_max) {
        metrics.limits().record(ReachedLimit::Streams);
    }
}

/// Counts a connection of HTTP/2 that was closed because of what its client sent too much of, such as calls that it cancels at once,
/// or because it sent no answer to a ping.
pub(super) fn count_closing(error: &hyper::Error, metrics: &CallMetrics) {
    let cause = error.source();
    // A client may end a connection with the same code.
    let is_flood = |cause: &h2::Error| {
        cause.is_library() && cause.reason() == Some(h2::Reason::ENHANCE_YOUR_CALM)
    };
    if cause.and_then(|cause| cause.downcast_ref()).is_some_and(is_flood) {
        metrics.closings().record(ClosingReason::Flood);
    }
    if error.is_timeout() {
        metrics.closings().record(ClosingReason::KeepaliveTimeout);
    }
}

/// Notes in a request where it comes from.
pub(super) fn note_client(
    request: &mut Request<Incoming>,
    peer: Option<SocketAddr>,
    certificate: Option<&Arc<ClientCertificate>>,
) {
    if let Some(peer) = peer {
        request.extensions_mut().insert(PeerAddress(peer));
    }
    if let Some(certificate) = certificate {
        request.extensions_mut().insert(Arc::clone(certificate));
    }
}

/// Notes in a request for which work begins as soon as its turn comes that it has arrived now.
pub(super) fn note_arrival(request: &mut Request<Incoming>, caller: &Arc<ConnectionCaller>) {
    let arrival = CallArrival { at: Instant::now(), caller: Arc::clone(caller) };
    request.extensions_mut().insert(arrival);
}

/// What marks a connection as one of a client with a key, at its first call that is let in.
pub(super) fn admission(proof: &Arc<Proof>) -> Admission {
    let proof = Arc::clone(proof);
    Admission::new(move || proof.give())
}

/// Logs a client that cannot speak TLS with this server, but not a probe that only connects.
pub(super) fn log_failed_handshake(peer: Option<SocketAddr>, error: &io::Error) {
    static THROTTLE: Throttle = Throttle::new(1, LOG_INTERVAL);
    let peer = peer.map(tracing::field::display);
    let is_probe = [ErrorKind::UnexpectedEof, ErrorKind::ConnectionReset].contains(&error.kind());
    if is_probe {
        tracing::debug!(peer, %error, "a TLS handshake was broken off");
    } else if let Some(suppressed) = THROTTLE.admit(Instant::now().into_std()) {
        tracing::info!(peer, %error, suppressed, "a TLS handshake failed; the connection was closed");
    }
}

/// The settings of HTTP/2.
fn builder(options: &ConnectionOptions, executor: BatchExecutor) -> http2::Builder<BatchExecutor> {
    let mut builder = http2::Builder::new(executor);
    builder
        .timer(TokioTimer::new())
        .keep_alive_interval(options.keepalive_interval)
        .keep_alive_timeout(options.keepalive_timeout)
        .max_concurrent_streams(options.calls_max)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX)
        .max_header_list_size(HEADER_BYTES_MAX)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES)
        // gRPC knows no use for it.
        .auto_date_header(false);
    builder
}

/// A response body that counts as a call in progress until it is dropped.
pub(super) struct TrackedBody<B> {
    body: B,
    _stream: OpenStream,
}

impl<B> TrackedBody<B> {
    /// The body of the response to this call.
    pub(super) fn new(body: B, stream: OpenStream) -> Self {
        Self { body, _stream: stream }
    }
}

impl<B: HttpBody<Data = Bytes> + Unpin> HttpBody for TrackedBody<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(context)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
