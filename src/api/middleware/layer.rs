//! Middleware around every service: authentication, deadline, request id, compression, trailers, log line.

use crate::api::middleware::auth::Keys;
use crate::api::middleware::call_log::CallLog;
use crate::api::middleware::compression::{self, Policy};
use crate::api::middleware::debug_trailer::DebugTrailer;
use crate::api::middleware::grpc_message;
use crate::api::middleware::intake::{
    self, CountedBody, MemoryBudget, MethodLimits, RequestMemory,
};
use crate::api::status;
use http_body::{Body as HttpBody, Frame};
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Sleep;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::http::header::{HeaderMap, HeaderName, HeaderValue};
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Bytes, Service};
use tonic::server::NamedService;
use tracing::Instrument as _;

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const VERSION_ASKED: HeaderName = HeaderName::from_static("io.spicedb.requestversion");
const VERSION: HeaderName = HeaderName::from_static("io.spicedb.debug.version");
const DISPATCHED: HeaderName =
    HeaderName::from_static("io.spicedb.respmeta.dispatchedoperationscount");
const CACHED: HeaderName = HeaderName::from_static("io.spicedb.respmeta.cachedoperationscount");
/// The trace of a check, for clients that know no field for it.
const DEBUG_INFORMATION: HeaderName = HeaderName::from_static("io.spicedb.respmeta.debuginfo");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_ENCODING: HeaderName = HeaderName::from_static("grpc-encoding");
/// The status of a call that was answered.
const OK: &str = "0";
const GRPC_TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// How much earlier than the client's deadline the server gives up, so that its answer still arrives.
const DEADLINE_MARGIN: Duration = Duration::from_millis(2);

/// Makes an id for a call that brought none.
pub type RequestIds = Arc<dyn Fn() -> String + Send + Sync>;

/// Callback of a connection for each call that is authenticated; in the extensions of a request.
#[derive(Clone)]
pub struct Admission(Arc<dyn Fn() + Send + Sync>);

impl Admission {
    /// Calls this for each call that is let in.
    pub fn new(admitted: impl Fn() + Send + Sync + 'static) -> Self {
        Self(Arc::new(admitted))
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

/// Cost of a response; handlers put it into their response's extensions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations(Arc<OperationCounts>);

#[derive(Debug, Default)]
struct OperationCounts {
    dispatched: AtomicU64,
    cached: AtomicU64,
}

impl Operations {
    /// Adds checks that were evaluated, and checks that were answered from the cache.
    pub(crate) fn add(&self, dispatched: u64, cached: u64) {
        self.0.dispatched.fetch_add(dispatched, Ordering::Relaxed);
        self.0.cached.fetch_add(cached, Ordering::Relaxed);
    }

    /// A response whose trailers carry these counts, as they are when it ends.
    pub(crate) fn respond<M>(self, message: M) -> tonic::Response<M> {
        let mut response = tonic::Response::new(message);
        response.extensions_mut().insert(self);
        response
    }
}

/// What the middleware of every service needs to know.
#[derive(Clone)]
pub(crate) struct MiddlewareOptions {
    /// Who may call.
    pub(crate) keys: Arc<Keys>,
    /// Makes ids for calls that bring none.
    pub(crate) request_ids: RequestIds,
    /// From when on a call is logged as slow.
    pub(crate) slow_call: Duration,
    /// Memory budget of all requests in progress.
    pub(crate) budget: Arc<MemoryBudget>,
}

/// A service with its middleware.
#[derive(Clone)]
pub(crate) struct Middleware<S> {
    inner: S,
    options: MiddlewareOptions,
    /// From when on a call is logged as slow; nothing for calls that last as long as the client wants.
    slow_after: Option<Duration>,
}

impl<S: NamedService> Middleware<S> {
    pub(crate) fn new(inner: S, options: MiddlewareOptions) -> Self {
        let is_watch = S::NAME.ends_with(".WatchService");
        let slow_after = (!is_watch).then_some(options.slow_call);
        Self { inner, options, slow_after }
    }
}

impl<S> fmt::Debug for Middleware<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Middleware").field("keys", &self.options.keys).finish_non_exhaustive()
    }
}

impl<S: NamedService> NamedService for Middleware<S> {
    const NAME: &'static str = S::NAME;
}

impl<S> Service<Request<Body>> for Middleware<S>
where
    S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>,
    S::Future: Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let ending = self.ending(&request);
        let span = ending.span(&request);
        if let Err(refusal) = self.options.keys.admit(request.headers()) {
            let response = finish(refusal.into_http(), ending, None, None);
            return Box::pin(async move { Ok(response) }.instrument(span));
        }

        if let Some(Admission(admitted)) = request.extensions().get() {
            admitted();
        }

        let compression = Policy::of(request.headers());
        let deadline = deadline(request.headers()).map(tokio::time::sleep);
        let limits = MethodLimits::of(request.uri().path());
        let compressed = request.headers().contains_key(GRPC_ENCODING);
        let call = RequestMemory::new(&self.options.budget, limits, compressed);
        let request = request.map(|body| CountedBody::body(body, &call));
        let answer = intake::read(Arc::clone(&call), self.inner.call(request));
        Box::pin(
            async move {
                let mut deadline = deadline.map(Box::pin);
                let Some(answer) = before(&mut deadline, answer).await else {
                    return Ok(finish(status::deadline_passed().into_http(), ending, None, None));
                };
                let response = compression::compress(compression, answer?).await;
                Ok(finish(response, ending, deadline, Some(call)))
            }
            .instrument(span),
        )
    }
}

impl<S> Middleware<S> {
    /// What every response ends with, whatever it says.
    fn ending(&self, request: &Request<Body>) -> CallEnding {
        let headers = request.headers();
        let mut trailers = HeaderMap::new();
        trailers.insert(DISPATCHED, 0.into());
        trailers.insert(CACHED, 0.into());
        let made = || HeaderValue::from_str(&(self.options.request_ids)()).ok();
        if let Some(id) = headers.get(REQUEST_ID).cloned().or_else(made) {
            trailers.insert(REQUEST_ID, id);
        }
        if headers.contains_key(VERSION_ASKED) {
            let version = HeaderValue::from_static(concat!("kilwa-", env!("CARGO_PKG_VERSION")));
            trailers.insert(VERSION, version);
        }

        let request_id = trailers.get(REQUEST_ID).cloned();
        let log = CallLog::start(request.uri().clone(), request_id, self.slow_after);
        CallEnding { trailers, log }
    }
}

/// How a call ends.
struct CallEnding {
    trailers: HeaderMap,
    log: CallLog,
}

impl CallEnding {
    /// The context of what is logged during the call. At `debug`, because a span costs as much as a small answer.
    fn span(&self, request: &Request<Body>) -> tracing::Span {
        let id = self.trailers.get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or_default();
        tracing::debug_span!("call", rpc = request.uri().path(), request_id = id)
    }

    /// Completes the headers that end the call, and logs it.
    fn complete(&mut self, headers: &mut HeaderMap) {
        // Looked at in its raw form first, because reading a status copies all headers.
        if headers.get(GRPC_STATUS).is_some_and(|code| code == OK) {
            self.log.end_well();
        } else {
            status::explain(headers);
            grpc_message::simplify(headers);
            self.log.end(headers);
        }
        headers.extend(std::mem::take(&mut self.trailers));
    }
}

/// The response to a call that is refused before it reaches a service.
pub fn refuse(status: Status) -> Response<Body> {
    let mut response = status.into_http();
    status::explain(response.headers_mut());
    grpc_message::simplify(response.headers_mut());
    response
}

/// The result of a future, unless the deadline passes first.
async fn before<F: Future>(deadline: &mut Option<Pin<Box<Sleep>>>, future: F) -> Option<F::Output> {
    match deadline {
        None => Some(future.await),
        Some(deadline) => tokio::select! {
            biased;
            output = future => Some(output),
            () = deadline => None,
        },
    }
}

/// Adds the trailers, or puts them into the headers of a response that consists of nothing else.
fn finish(
    mut response: Response<Body>,
    mut ending: CallEnding,
    deadline: Option<Pin<Box<Sleep>>>,
    call: Option<Arc<RequestMemory>>,
) -> Response<Body> {
    if response.headers().contains_key(GRPC_STATUS) {
        ending.complete(response.headers_mut());
        return response;
    }
    let operations = response.extensions_mut().remove::<Operations>();
    if let Some(DebugTrailer(trace)) = response.extensions_mut().remove() {
        ending.trailers.insert(DEBUG_INFORMATION, trace);
    }
    response.map(|body| {
        Body::new(MeteredBody { body, ending, operations, deadline, call, ended: false })
    })
}

/// A body that ends with the trailers of the middleware, and ends early when the deadline passes.
struct MeteredBody {
    body: Body,
    ending: CallEnding,
    operations: Option<Operations>,
    deadline: Option<Pin<Box<Sleep>>>,
    /// What was kept in memory for the request is given back with the end of its answer.
    call: Option<Arc<RequestMemory>>,
    ended: bool,
}

impl MeteredBody {
    fn end(&mut self, mut trailers: HeaderMap) -> Frame<Bytes> {
        self.ended = true;
        self.ending.complete(&mut trailers);
        if let Some(Operations(counts)) = &self.operations {
            trailers.insert(DISPATCHED, counts.dispatched.load(Ordering::Relaxed).into());
            trailers.insert(CACHED, counts.cached.load(Ordering::Relaxed).into());
        }
        Frame::trailers(trailers)
    }
}

impl HttpBody for MeteredBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if self.ended {
            return Poll::Ready(None);
        }
        let answers_much = self.call.as_ref().is_some_and(|call| call.answers_much());
        let mut body = Pin::new(&mut self.body);
        let polled = if answers_much {
            intake::aside(|| body.as_mut().poll_frame(context))
        } else {
            body.as_mut().poll_frame(context)
        };

        match polled {
            Poll::Ready(Some(Ok(frame))) => Poll::Ready(Some(Ok(match frame.into_trailers() {
                Ok(trailers) => self.end(trailers),
                Err(data) => data,
            }))),
            Poll::Ready(other) => Poll::Ready(other),
            Poll::Pending => {
                let deadline = self.deadline.as_mut();
                if deadline.is_none_or(|deadline| deadline.as_mut().poll(context).is_pending()) {
                    return Poll::Pending;
                }
                // Dropping the body interrupts the work for this response.
                self.body = Body::empty();
                let mut trailers = HeaderMap::new();
                let added = status::deadline_passed().add_header(&mut trailers);
                Poll::Ready(Some(added.map(|()| self.end(trailers))))
            }
        }
    }
}

/// How long the client waits, as it said.
fn deadline(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(GRPC_TIMEOUT)?.to_str().ok()?;
    let (amount, unit) = value.split_at_checked(value.len().checked_sub(1)?)?;
    if amount.len() > 8 {
        return None;
    }
    let amount: u64 = amount.parse().ok()?;
    let waits = match unit {
        "H" => Duration::from_secs(amount * 3_600),
        "M" => Duration::from_secs(amount * 60),
        "S" => Duration::from_secs(amount),
        "m" => Duration::from_millis(amount),
        "u" => Duration::from_micros(amount),
        "n" => Duration::from_nanos(amount),
        _ => return None,
    };
    Some(waits.saturating_sub(DEADLINE_MARGIN))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::{pending, ready};

    /// Answers with a body that never ends, or not at all.
    #[derive(Clone)]
    struct Slow {
        answers: bool,
    }

    impl Service<Request<Body>> for Slow {
        type Response = Response<Body>;
        type Error = Infallible;
        type Future = BoxFuture<Response<Body>, Infallible>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
            Poll::Ready(Ok(()))
        }

        fn call(&mut self, _: Request<Body>) -> Self::Future {
            let response = Response::new(Body::new(Endless));
            if self.answers { Box::pin(ready(Ok(response))) } else { Box::pin(pending()) }
        }
    }

    impl NamedService for Slow {
        const NAME: &'static str = "test.SlowService";
    }

    struct Endless;

    impl HttpBody for Endless {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Pending
        }
    }

    async fn called(answers: bool) -> Response<Body> {
        let keys = Arc::new(Keys::new(vec!["key".to_owned()]).unwrap());
        let request_ids: RequestIds = Arc::new(|| "id".to_owned());
        let options = MiddlewareOptions {
            keys,
            request_ids,
            slow_call: Duration::from_secs(1),
            budget: Arc::new(MemoryBudget::new(1 << 20)),
        };
        let mut edge = Middleware::new(Slow { answers }, options);
        let request = Request::builder()
            .header("authorization", "Bearer key")
            .header("grpc-timeout", "5m")
            .body(Body::empty())
            .unwrap();
        edge.call(request).await.unwrap()
    }

    #[tokio::test]
    async fn a_passed_deadline_ends_a_call() {
        let response = called(false).await;
        assert_eq!(response.headers().get("grpc-status").unwrap(), "4");
        assert_eq!(response.headers().get("x-request-id").unwrap(), "id");
    }

    #[tokio::test]
    async fn a_passed_deadline_ends_a_stream() {
        let mut body = called(true).await.into_body();
        let frame = std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        let trailers = frame.unwrap().unwrap().into_trailers().unwrap();
        assert_eq!(trailers.get("grpc-status").unwrap(), "4");
        assert_eq!(trailers.get("x-request-id").unwrap(), "id");
    }

    #[test]
    fn timeouts_are_read_as_the_protocol_writes_them() {
        let read = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(GRPC_TIMEOUT, HeaderValue::from_str(text).unwrap());
            deadline(&headers)
        };
        let less = |duration: Duration| Some(duration.saturating_sub(DEADLINE_MARGIN));
        assert_eq!(read("3H"), less(Duration::from_hours(3)));
        assert_eq!(read("99999999S"), less(Duration::from_secs(99_999_999)));
        assert_eq!(read("1n"), Some(Duration::ZERO));
        for text in ["", "5", "S", "5x", "-5S", "123456789S"] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
