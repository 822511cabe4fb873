//! Middleware around every service: authentication, deadline, request id, compression, trailers, log line.

use crate::api::call_access::{self, CallStanding};
use crate::api::fault::caught;
use crate::api::middleware::audit_trail::AuditTrail;
use crate::api::middleware::auth::{self, Keys};
use crate::api::middleware::call_ending::{CallEnding, PeerAddress, RequestIds};
use crate::api::middleware::compression::{self, GRPC_ENCODING, Policy};
use crate::api::middleware::deadline::{self, Deadline};
use crate::api::middleware::fast_path::{EncodedAnswer, FastPath};
use crate::api::middleware::intake::{
    self, CountedBody, MemoryBudget, MethodLimits, RequestMemory,
};
use crate::api::middleware::metered_body::{finish, finish_message};
use crate::api::middleware::request_frames::RequestFrames;
use crate::api::middleware::stream_methods::has_request_stream;
use crate::api::middleware::unwanted_body::discard_rest;
use crate::api::overload::ConcurrencyLimiter;
use crate::api::status::{self, CallRefusal};
use crate::audit::{AuditFull, AuditLog};
use crate::metrics::CallMetrics;
use crate::traces::TraceRecorder;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::time::Instant;
use tonic::body::Body;
use tonic::codegen::http::header::{AUTHORIZATION, HeaderValue};
use tonic::codegen::http::{Request, Response};
use tonic::codegen::{BoxFuture, Service};
use tonic::server::NamedService;
use tracing::Instrument as _;

/// Callback of a connection for each call that is authenticated; in the extensions of a request.
#[derive(Clone)]
pub struct Admission {
    admitted: Arc<dyn Fn() + Send + Sync>,
}

impl Admission {
    /// A callback that runs for each authenticated call.
    pub fn new(admitted: impl Fn() + Send + Sync + 'static) -> Self {
        Self { admitted: Arc::new(admitted) }
    }

    /// The same callback, and another one after it.
    #[must_use]
    pub fn and_then(&self, also: impl Fn() + Send + Sync + 'static) -> Self {
        let first = Arc::clone(&self.admitted);
        let admitted = move || {
            first();
            also();
        };
        Self { admitted: Arc::new(admitted) }
    }
}

impl fmt::Debug for Admission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Admission").finish_non_exhaustive()
    }
}

/// Options of the middleware, the same for every service.
#[derive(Clone)]
pub(crate) struct MiddlewareOptions {
    /// The accepted keys.
    pub(crate) keys: Arc<Keys>,
    /// Generates ids for calls without one.
    pub(crate) request_ids: RequestIds,
    /// Duration from which a call is logged as slow.
    pub(crate) slow_call: Duration,
    /// Time that a call without a deadline may take, unless it is a stream.
    pub(crate) call_time_max: Duration,
    /// Memory budget of all requests in progress.
    pub(crate) budget: Arc<MemoryBudget>,
    /// Refuses calls beyond what the server can answer in time.
    pub(crate) limiter: Arc<ConcurrencyLimiter>,
    /// Counts the calls as they end.
    pub(crate) calls: Arc<CallMetrics>,
    /// Records each call, where there is an audit log.
    pub(crate) audit: Option<AuditLog>,
    /// Records the span of each sampled call, where traces are exported.
    pub(crate) traces: Option<TraceRecorder>,
}

impl fmt::Debug for MiddlewareOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MiddlewareOptions").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// A service with its middleware.
#[derive(Clone)]
pub(crate) struct Middleware<S> {
    inner: S,
    /// Shared, because a service is cloned for each call.
    options: Arc<MiddlewareOptions>,
    /// Whether its calls last as long as their clients like, and so are no load while nothing changes.
    is_watch: bool,
    /// Answers usual calls in place of the service.
    fast_path: Option<Arc<dyn FastPath>>,
    /// Duration from which a call is logged as slow; `None` for watches, whose duration the client chooses.
    slow_after: Option<Duration>,
}

impl<S: NamedService> Middleware<S> {
    pub(crate) fn new(inner: S, options: MiddlewareOptions) -> Self {
        let is_watch = S::NAME.ends_with(".WatchService");
        let slow_after = (!is_watch).then_some(options.slow_call);
        Self { inner, options: Arc::new(options), is_watch, fast_path: None, slow_after }
    }

    /// The same, whose usual calls are answered without the service.
    pub(crate) fn with_fast_path(self, fast_path: Arc<dyn FastPath>) -> Self {
        Self { fast_path: Some(fast_path), ..self }
    }
}

impl<S> Middleware<S> {
    /// Finds the caller of a request, and refuses what it may not call or what is too much at present.
    fn enter(
        &self,
        request: &mut Request<Body>,
        ending: &mut CallEnding,
    ) -> Result<(), CallRefusal> {
        let (options, audit) = (&self.options, self.options.audit.as_ref());
        let caller = options.keys.admit(request).inspect_err(|refusal| {
            let peer = request.extensions().get().map(|PeerAddress(peer)| *peer);
            auth::log_refusal(peer, refusal);
            if let Some(audit) = audit {
                ending.start_audit(audit.begin_unreserved(), None);
            }
        })?;
        if let Some(Admission { admitted, .. }) = request.extensions().get() {
            admitted();
        }
        if let Some(caller) = &caller {
            ending.identify(Arc::clone(caller.name()));
        }

        if let Some(audit) = audit {
            let slot = if self.is_watch { Ok(audit.begin_unreserved()) } else { audit.begin() };
            let slot = slot.map_err(|AuditFull| status::audit_full())?;
            ending.start_audit(slot, caller.as_ref().map(|caller| Arc::clone(caller.name())));
        }
        if let Some(caller) = &caller {
            ending.withhold(call_access::enter(request, caller)?);
            if self.is_watch {
                ending.standing = options.keys.standing(request, caller);
            } else if has_request_stream(request.uri().path())
                && let Some(standing) = options.keys.standing(request, caller)
            {
                request.extensions_mut().insert(CallStanding::new(standing));
            }
        }

        if !self.is_watch {
            let key = request.headers().get(AUTHORIZATION).map_or(&[][..], HeaderValue::as_bytes);
            let key = caller.as_ref().map_or(key, |caller| caller.name().as_bytes());
            let now = Instant::now();
            options.limiter.probe_queue(now);
            let mut admitted = options.limiter.admit(key, request.extensions().get(), now)?;
            // It waits for its client, as often as the server for it.
            if has_request_stream(request.uri().path()) {
                admitted.waits_no_longer();
            }
            ending.admitted = Some(admitted);
        }
        Ok(())
    }

    /// The answer without the service, if the call is a usual one without a span. Otherwise the request is as it was.
    fn answer_fast(
        &self,
        request: &mut Request<CountedBody>,
        ending: &CallEnding,
    ) -> Option<EncodedAnswer> {
        let fast_path = self.fast_path.as_ref().filter(|path| path.covers(request))?;
        if ending.is_sampled() {
            return None;
        }
        let message = request.body_mut().whole_message()?;
        // What panics here does so again in the service, which makes an error of it.
        caught(|| fast_path.answer(request.extensions_mut(), &message)).ok().flatten()
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
    S::Future: Unpin + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = CallFuture;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: Request<Body>) -> Self::Future {
        let calls = self.options.calls.method(request.uri().path());
        let mut ending = CallEnding::start(
            &request,
            &self.options.request_ids,
            self.slow_after,
            calls,
            self.options.traces.as_ref(),
        );
        let span = ending.span(&request);
        // Before anything that costs memory: a caller without a key must not use up the budget of all requests.
        if let Err(refusal) = self.enter(&mut request, &mut ending) {
            let refused = refused(request, refusal, ending);
            return CallFuture::InProgress(Box::pin(refused.instrument(span)));
        }

        let limits = MethodLimits::from_path(request.uri().path());
        let compressed = request.headers().contains_key(GRPC_ENCODING);
        let call = RequestMemory::new(&self.options.budget, limits, compressed);
        let capture = ending.audit.as_ref().map(AuditTrail::request);
        let frames = RequestFrames::of(&request);
        let mut request = request.map(|body| CountedBody::new(body, frames, &call, capture));
        if let Some(answer) = span.in_scope(|| self.answer_fast(&mut request, &ending)) {
            return CallFuture::Answered(Some(finish_message(answer, ending, call)));
        }

        let compression = Policy::from_headers(request.headers());
        // Starts with the headers, so that the time for a slow request body counts against it.
        let path = request.uri().path();
        let time = deadline::of_call(request.headers(), path, self.options.call_time_max);
        let end = time.and_then(|time| ending.arrived().checked_add(time));
        let mut deadline = end.map(Deadline::at);
        let answer = self.inner.call(request.map(Body::new));
        let answer = intake::read(Arc::clone(&call), answer);
        CallFuture::InProgress(Box::pin(
            async move {
                let Some(answer) = deadline::before(&mut deadline, answer).await else {
                    return Ok(finish(status::deadline_passed().into_http(), ending, None, None));
                };
                let answer = match answer {
                    Ok(answer) => answer?,
                    Err(fault) => return Ok(finish(fault.into_http(), ending, None, None)),
                };
                let answer = call.attributed(answer).map(|body| ending.traced(body));
                let response = compression::compress(compression, answer).await;
                Ok(finish(response, ending, deadline, Some(call)))
            }
            .instrument(span),
        ))
    }
}

/// The response to a call, which is there at once or comes later.
pub(crate) enum CallFuture {
    /// Taken by the first poll.
    Answered(Option<Response<Body>>),
    InProgress(BoxFuture<Response<Body>, Infallible>),
}

impl Future for CallFuture {
    type Output = Result<Response<Body>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut *self {
            Self::Answered(response) => {
                response.take().map_or(Poll::Pending, |it| Poll::Ready(Ok(it)))
            }
            Self::InProgress(call) => call.as_mut().poll(context),
        }
    }
}

/// The response to a call that is refused before its request is read.
///
/// What the client has sent or is about to send is received first, and dropped; see [`discard_rest`].
async fn refused(
    request: Request<Body>,
    refusal: CallRefusal,
    ending: CallEnding,
) -> Result<Response<Body>, Infallible> {
    // The end of a stream of messages is up to the client.
    if !has_request_stream(request.uri().path()) {
        discard_rest(request.into_body()).await;
    }
    Ok(finish(refusal.into_response(), ending, None, None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::overload::OverloadOptions;
    use http_body::{Body as HttpBody, Frame};
    use std::future::{pending, ready};
    use std::pin::Pin;
    use tonic::Status;
    use tonic::codegen::Bytes;

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
        let keys = Arc::new(Keys::new(&["key".to_owned()]).unwrap());
        let request_ids: RequestIds = Arc::new(|| "id".to_owned());
        let options = MiddlewareOptions {
            keys,
            request_ids,
            slow_call: Duration::from_secs(1),
            call_time_max: Duration::from_mins(1),
            calls: Arc::new(CallMetrics::new()),
            budget: Arc::new(MemoryBudget::new(1 << 20, Arc::new(CallMetrics::new()))),
            limiter: Arc::new(ConcurrencyLimiter::new(OverloadOptions::default())),
            audit: None,
            traces: None,
        };

        let mut layer = Middleware::new(Slow { answers }, options);
        let request = Request::builder()
            .header("authorization", "Bearer key")
            .header("grpc-timeout", "5m")
            .body(Body::empty())
            .unwrap();
        layer.call(request).await.unwrap()
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
}
