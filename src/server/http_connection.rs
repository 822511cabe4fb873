//! One connection to the HTTP listener: HTTP/1.1, or HTTP/2 with prior knowledge or by ALPN, until it is closed. Requests of gRPC are
//! known by their content type.

use super::activity::{Activity, ObservedStream, OpenStream, TimeoutStatus, instant_after};
use super::batch_executor::{BatchExecutor, ConnectionLoad};
use super::connection::{
    ERROR_RESETS_MAX, IDLE_CLOSE_MAX, PENDING_RESETS_MAX, TrackedBody, WINDOW_BYTES, admission,
    count_closing, count_full, log_failed_handshake, note_arrival, note_client,
};
use super::lingering_body::LingeringBody;
use super::registry::{ConnectionCommand, Ticket};
use super::stream_body::StreamBody;
use super::tls::{self, TlsIdentity};
use crate::api::{ConcurrencyLimiter, ConnectionCaller};
use crate::config::{ConnectionOptions, HttpListenerOptions};
use crate::http::{Endpoints, HttpLimit};
use crate::metrics::{CallMetrics, ClosingReason, ReachedLimit};
use axum::body::{Body, HttpBody as _};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use std::convert::Infallible;
use std::error::Error;
use std::pin::pin;
use std::sync::Arc;
use tokio::net::TcpStream;
use tokio::time::Instant;
use tonic::codegen::Service as _;
use tonic::codegen::http::header::{CONTENT_TYPE, HeaderValue};
use tonic::codegen::http::{Request, Response, Version};
use tonic::service::Routes;

/// Parsing JSON of this size takes less than a turn of the connection.
const SHORT_BODY_BYTES: u64 = 8 << 10;
/// The content type of gRPC; a suffix names the encoding of its messages.
const GRPC: &[u8] = b"application/grpc";

/// How the connections of the HTTP listener are served.
#[derive(Clone)]
pub(super) struct HttpService {
    /// Answers the requests.
    pub(super) endpoints: Endpoints,
    /// The services that it calls.
    pub(super) routes: Routes,
    /// The limits of each connection.
    pub(super) options: Arc<HttpListenerOptions>,
    /// The limits that connections of every listener have.
    pub(super) connections: ConnectionOptions,
    /// TLS, unless the listener speaks plain text.
    pub(super) tls: Option<Arc<TlsIdentity>>,
    /// Counts the limits that are reached.
    pub(super) metrics: Arc<CallMetrics>,
    /// Says which requests may begin.
    pub(super) limiter: Arc<ConcurrencyLimiter>,
}

/// Serves a connection until one side closes it.
pub(super) async fn serve(stream: TcpStream, service: HttpService, mut ticket: Ticket) {
    let activity = Activity::start();
    let peer = stream.peer_addr().ok();
    let options = Arc::clone(&service.options);
    let (metrics, limiter) = (Arc::clone(&service.metrics), Arc::clone(&service.limiter));
    let timeouts = ConnectionOptions {
        handshake_timeout: options.header_timeout,
        idle_timeout: options.idle_timeout,
        ..service.connections
    };
    let first = timeouts.handshake_timeout.min(timeouts.idle_timeout);
    let mut timer = pin!(tokio::time::sleep_until(instant_after(first)));

    let shown = tokio::select! {
        shown = tls::handshake(stream, service.tls.as_deref()) => shown,
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

    let stream = ObservedStream::new(stream, Arc::clone(&activity));
    let io = TokioIo::new(stream.with_head_timeout(options.header_timeout));
    let admission = admission(&proof);
    let (calls, caller) = (Arc::clone(&activity), Arc::<ConnectionCaller>::default());
    let caller_of_calls = Arc::clone(&caller);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let stream = calls.open_stream();
        count_full(&calls, timeouts.calls_max, &service.metrics);
        if !proof.is_given() {
            request.extensions_mut().insert(admission.clone());
        }
        note_client(&mut request, peer, certificate.as_ref());
        if is_grpc(&request) {
            note_arrival(&mut request, &caller_of_calls);
        }
        answer(service.clone(), request, stream)
    });

    let executor = BatchExecutor::new(ConnectionLoad { limiter, caller });
    let builder = builder(&options, &timeouts, executor.clone());
    let mut connection = pin!(builder.serve_connection(io, service));
    let mut is_draining = false;
    loop {
        tokio::select! {
            biased;
            result = executor.drive(connection.as_mut()) => return end(result, &activity, &metrics),
            command = ticket.commands().changed() => {
                let closes = command.is_err() || *ticket.commands().borrow_and_update() == ConnectionCommand::Close;
                // Before its first request a connection has nothing to end.
                if closes || !activity.has_handshake() {
                    return;
                }
                connection.as_mut().graceful_shutdown();
                is_draining = true;
            }
            () = &mut timer => match activity.status(&timeouts) {
                TimeoutStatus::Keep(time) => timer.as_mut().reset(instant_after(time)),
                TimeoutStatus::NoHandshake => return metrics.closings().record(ClosingReason::HandshakeTimeout),
                TimeoutStatus::Idle if is_draining => return,
                TimeoutStatus::Idle => {
                    metrics.closings().record(ClosingReason::IdleTimeout);
                    connection.as_mut().graceful_shutdown();
                    is_draining = true;
                    timer.as_mut().reset(Instant::now() + IDLE_CLOSE_MAX);
                }
            },
        }
    }
}

/// Logs that a connection has failed, and counts it where its client has reached a limit.
fn end(
    result: Result<(), Box<dyn Error + Send + Sync>>,
    activity: &Activity,
    metrics: &CallMetrics,
) {
    if activity.has_late_head() {
        metrics.closings().record(ClosingReason::HeaderTimeout);
    }
    let Err(error) = result else { return };
    if let Some(error) = error.downcast_ref::<hyper::Error>() {
        count_closing(error, metrics);
        if error.is_parse_too_large() {
            metrics.limits().record(ReachedLimit::HttpHeaders);
        }
    }
    tracing::debug!(%error, "an HTTP connection ended");
}

/// The answer to a request, which counts as a call in progress until its body has ended.
async fn answer(
    service: HttpService,
    request: Request<Incoming>,
    stream: OpenStream,
) -> Result<Response<TrackedBody<Body>>, Infallible> {
    if service.options.serves_grpc && is_grpc(&request) {
        let request = request.map(StreamBody::new);
        let Ok(response) = service.routes.clone().call(request).await;
        return Ok(response.map(|body| TrackedBody::new(Body::new(body), stream)));
    }

    let (began, method) = (Instant::now(), request.method().clone());
    let response = if request.version() == Version::HTTP_2 {
        if !is_short(&request) {
            // Gets a task of its own, so that the other calls of its connection do not wait while its text is parsed.
            tokio::task::yield_now().await;
        }
        let request = request.map(StreamBody::new).map(LingeringBody::new);
        service.endpoints.answer(service.routes, request).await
    } else {
        service.endpoints.answer(service.routes, request).await
    };

    let status = response.status().as_u16();
    service.metrics.http().record(method.as_str(), status, began.elapsed());
    if let Some(limit) = response.extensions().get::<HttpLimit>() {
        service.metrics.limits().record(reached(*limit));
    }
    Ok(response.map(|body| TrackedBody::new(body, stream)))
}

/// Whether the body of a request is so short that parsing it holds up no other call.
fn is_short(request: &Request<Incoming>) -> bool {
    request.body().size_hint().exact().is_some_and(|bytes| bytes <= SHORT_BODY_BYTES)
}

/// Whether a request is one of gRPC, which is HTTP/2 with a content type of its own.
fn is_grpc(request: &Request<Incoming>) -> bool {
    let content_type = request.headers().get(CONTENT_TYPE).map(HeaderValue::as_bytes);
    request.version() == Version::HTTP_2
        && content_type.is_some_and(|value| {
            value == GRPC
                || value.starts_with(b"application/grpc+")
                || value.starts_with(b"application/grpc;")
        })
}

fn reached(limit: HttpLimit) -> ReachedLimit {
    match limit {
        HttpLimit::Body => ReachedLimit::HttpBody,
        HttpLimit::Bodies => ReachedLimit::HttpBodies,
        HttpLimit::BodyIdle => ReachedLimit::HttpBodyIdle,
        HttpLimit::JsonDepth => ReachedLimit::JsonDepth,
    }
}

fn builder(
    options: &HttpListenerOptions,
    connections: &ConnectionOptions,
    executor: BatchExecutor,
) -> auto::Builder<BatchExecutor> {
    let mut builder = auto::Builder::new(executor);
    builder
        .http1()
        // It would also run between two requests. The stream has a timer of its own.
        .header_read_timeout(None)
        .max_buf_size(usize::try_from(options.header_bytes_max).unwrap_or(usize::MAX));
    builder
        .http2()
        .timer(TokioTimer::new())
        .keep_alive_interval(connections.keepalive_interval)
        .keep_alive_timeout(connections.keepalive_timeout)
        .max_concurrent_streams(connections.calls_max)
        .max_pending_accept_reset_streams(PENDING_RESETS_MAX)
        .max_local_error_reset_streams(ERROR_RESETS_MAX)
        .max_header_list_size(options.header_bytes_max)
        .initial_connection_window_size(WINDOW_BYTES)
        .initial_stream_window_size(WINDOW_BYTES);
    builder
}
