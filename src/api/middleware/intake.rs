//! Memory limits of requests, from their first byte to the end of the response: for each method, and for all together.
//!
//! The bytes of a request are counted as they arrive, and what they will take in memory is reckoned before anything is
//! built. Both are held against the method's bound and against one budget that all calls share, until the call has ended.
//! Small requests cost the budget nothing: their number is bounded by the connections.

use crate::api::fault::caught;
use crate::api::middleware::audit_trail::SharedCapture;
use crate::api::middleware::request_frames::{AnnouncedLength, FRAME_BYTES, RequestFrames};
use crate::api::status;
use crate::metrics::{CallMetrics, ReachedLimit};
use crate::proto::decoded_size::{self, SizeError};
use crate::proto::{DecodeGuard, guard_decoding};
use http_body::{Body as HttpBody, Frame, SizeHint};
use std::future::{Future, poll_fn};
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, Waker};
use tokio::runtime::{Handle, RuntimeFlavor};
use tokio::task::JoinHandle;
use tonic::Status;
use tonic::body::Body;
use tonic::codegen::Bytes;
use tonic::codegen::http::Response;
use tracing::Instrument as _;

/// Requests up to this size are small: they are not charged to the shared budget, and are read beside the other tasks of their thread.
const SMALL_BYTES: usize = 64 << 10;
/// The same for compressed requests, which may expand a thousandfold.
const SMALL_COMPRESSED_BYTES: usize = 1 << 10;
/// Shorter messages are not measured: decoded, they take no more than a small request may.
const MEASURED_FROM_BYTES: usize = 512;
/// Memory for parsing a large text, per byte of text. Lists of short lines take up to three times as much.
const PARSING_FACTOR: usize = 16;
/// The largest message that is read, in bytes: a schema of 4 MiB, or a validation file with what it refers to. Most methods
/// take less.
pub(crate) const WIRE_BYTES_MAX: usize = 16 << 20;

/// Memory limits of the requests of one method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct MethodLimits {
    /// Bytes of one message, uncompressed.
    pub(crate) message_bytes_max: usize,
    /// Bytes of memory that one message may take once it is decoded.
    pub(crate) decoded_bytes_max: usize,
    /// Bytes of memory that parsing may take for each byte of the request, as far as the budget goes: so few large texts are
    /// parsed at once.
    pub(crate) parsing_factor: usize,
    /// Whether answers may be large though the request is small.
    pub(crate) answers_much: bool,
}

/// Bound on the memory of all requests in progress.
#[derive(Debug)]
pub(crate) struct MemoryBudget {
    bytes_max: usize,
    bytes: AtomicUsize,
    /// Counts the requests that are refused.
    metrics: Arc<CallMetrics>,
}

/// What one call takes of the budget, from its first byte to the end of its answer.
#[derive(Debug)]
pub(crate) struct RequestMemory {
    budget: Arc<MemoryBudget>,
    limits: MethodLimits,
    compressed: bool,
    /// Bytes that have arrived and belong to no message yet.
    arrived: AtomicUsize,
    /// Decoded size of the last message, in bytes.
    decoded: AtomicUsize,
    /// Bytes charged to the budget.
    charged: AtomicUsize,
    is_large: AtomicBool,
    /// Whether an error of the call has a status of ours: that of a service, which has read a message, or that of what gives the
    /// messages. The library has its own for a message that it cannot read.
    has_own_status: AtomicBool,
    /// How the client broke it off, if it did.
    broken_off: OnceLock<Status>,
    /// Whether no one waits for the answer any more.
    is_abandoned: AtomicBool,
}

impl MethodLimits {
    /// Of a method by the path of its calls.
    pub(crate) fn from_path(path: &str) -> Self {
        let method = path.rsplit('/').next().unwrap_or_default();
        let (wire_mib, decoded_mib) = match method {
            // Texts of some MiB, and as many relationships as a client likes to put into one message.
            "WriteSchema"
            | "DiffSchema"
            | "ExperimentalDiffSchema"
            | "Validate"
            | "ValidateLive"
            | "ImportBulkRelationships"
            | "BulkImportRelationships" => (16, 96),
            // Some names and one context.
            "CheckPermission"
            | "Check"
            | "ExpandPermissionTree"
            | "LookupResources"
            | "LookupSubjects"
            | "ReadRelationships"
            | "ExportBulkRelationships"
            | "BulkExportRelationships"
            | "ReadSchema"
            | "ReflectSchema"
            | "ExperimentalReflectSchema"
            | "ComputablePermissions"
            | "ExperimentalComputablePermissions"
            | "DependentRelations"
            | "ExperimentalDependentRelations"
            | "ExperimentalRegisterRelationshipCounter"
            | "ExperimentalCountRelationships"
            | "ExperimentalUnregisterRelationshipCounter"
            | "ListPermissions"
            | "ReadRevisionAt"
            | "Watch" => (1, 8),
            // Some thousand checks or updates: as many as SpiceDB accepts.
            _ => (4, 32),
        };
        let answers_much = matches!(
            method,
            "ExpandPermissionTree"
                | "ExportBulkRelationships"
                | "BulkExportRelationships"
                | "ReadSchema"
                | "ReflectSchema"
                | "ExperimentalReflectSchema"
                | "DiffSchema"
                | "ExperimentalDiffSchema"
                | "Validate"
                | "ValidateLive"
                | "SetRelation"
        );
        let is_text = matches!(
            method,
            "WriteSchema" | "DiffSchema" | "ExperimentalDiffSchema" | "Validate" | "ValidateLive"
        );

        Self {
            message_bytes_max: wire_mib << 20,
            decoded_bytes_max: decoded_mib << 20,
            parsing_factor: if is_text { PARSING_FACTOR } else { 0 },
            answers_much,
        }
    }
}

impl MemoryBudget {
    pub(crate) fn new(bytes_max: usize, metrics: Arc<CallMetrics>) -> Self {
        Self { bytes_max, bytes: AtomicUsize::new(0), metrics }
    }
}

impl RequestMemory {
    pub(crate) fn new(
        budget: &Arc<MemoryBudget>,
        limits: MethodLimits,
        compressed: bool,
    ) -> Arc<Self> {
        Arc::new(Self {
            budget: Arc::clone(budget),
            limits,
            compressed,
            arrived: AtomicUsize::new(0),
            decoded: AtomicUsize::new(0),
            charged: AtomicUsize::new(0),
            is_large: AtomicBool::new(false),
            has_own_status: AtomicBool::new(false),
            broken_off: OnceLock::new(),
            is_abandoned: AtomicBool::new(false),
        })
    }

    /// Whether its answer may be so large that writing it would hold up others.
    pub(crate) fn answers_much(&self) -> bool {
        self.limits.answers_much || self.is_large()
    }

    fn is_large(&self) -> bool {
        self.is_large.load(Ordering::Relaxed)
    }

    /// Its answer, with the status that says who is at fault where the request could not be read.
    pub(super) fn attributed(&self, answer: Response<Body>) -> Response<Body> {
        let has_own_status = self.has_own_status.load(Ordering::Relaxed);
        let fault =
            status::fault_of_request(answer.headers(), self.broken_off.get(), has_own_status);
        fault.map_or(answer, Status::into_http)
    }

    /// Notes that nothing more can be received. Returns what those see who wait for it.
    fn fail(&self, error: Status) -> Status {
        if status::is_broken_off(&error) {
            // Of several, the first is the cause.
            let _ = self.broken_off.set(error.clone());
        } else {
            self.has_own_status.store(true, Ordering::Relaxed);
        }
        status::broken_request(error)
    }

    /// Requires that a message of this length may come.
    fn admit_length(&self, length: AnnouncedLength) -> Result<(), Status> {
        let max = self.limits.message_bytes_max;
        let is_too_long = match length {
            AnnouncedLength::Plain(length) => length > max,
            AnnouncedLength::Compressed(length) => length > compressed_max(max),
        };
        if is_too_long { Err(self.too_large()) } else { Ok(()) }
    }

    /// Counts bytes that have arrived.
    fn receive(&self, count: usize) -> Result<(), Status> {
        let arrived = self.arrived.fetch_add(count, Ordering::Relaxed) + count;
        if arrived > SMALL_BYTES || (self.compressed && arrived > SMALL_COMPRESSED_BYTES) {
            self.is_large.store(true, Ordering::Relaxed);
        }
        if arrived > compressed_max(self.limits.message_bytes_max) + FRAME_BYTES {
            return Err(self.too_large());
        }
        self.charge()
    }

    /// Counts a message that is too short to take much.
    fn admit_short(&self) {
        self.arrived.store(0, Ordering::Relaxed);
        self.decoded.store(0, Ordering::Relaxed);
        if self.charged.load(Ordering::Relaxed) > 0 {
            let charged = self.charged.swap(0, Ordering::Relaxed);
            self.budget.bytes.fetch_sub(charged, Ordering::Relaxed);
        }
    }

    /// Requires that decoding a message stays within the limits.
    fn admit_measured(&self, full_name: &str, message: &[u8]) -> Result<(), Status> {
        let length = message.len();
        if length > self.limits.message_bytes_max {
            return Err(self.too_large());
        }
        let decoded =
            decoded_size::measure(full_name, message, self.limits.decoded_bytes_max, &|| {
                !self.is_abandoned.load(Ordering::Relaxed)
            })
            .map_err(|reason| self.refusal(&reason))?;
        // One text always fits when no other request is in progress.
        let available = self.budget.bytes_max.saturating_sub(length + decoded) / 4 * 3;
        let parsed = (length * self.limits.parsing_factor).min(available);
        self.arrived.store(length, Ordering::Relaxed);
        self.decoded.store(decoded + parsed, Ordering::Relaxed);
        self.charge()
    }

    /// Adjusts the charge to the memory that the call takes now.
    fn charge(&self) -> Result<(), Status> {
        let takes = self.arrived.load(Ordering::Relaxed) + self.decoded.load(Ordering::Relaxed);
        let takes = if takes > SMALL_BYTES { takes } else { 0 };
        let charged = self.charged.swap(takes, Ordering::Relaxed);
        let MemoryBudget { bytes_max, bytes, metrics } = &*self.budget;
        let Some(more) = takes.checked_sub(charged) else {
            bytes.fetch_sub(charged - takes, Ordering::Relaxed);
            return Ok(());
        };
        if more > 0 && bytes.fetch_add(more, Ordering::Relaxed) + more > *bytes_max {
            metrics.limits().record(ReachedLimit::Memory);
            return Err(status::memory_exhausted(format!(
                "the requests in progress need more than {bytes_max} bytes of memory together, which is the limit: try again later"
            )));
        }
        Ok(())
    }

    fn too_large(&self) -> Status {
        self.budget.metrics.limits().record(ReachedLimit::MessageSize);
        let max = self.limits.message_bytes_max;
        status::memory_exhausted(format!(
            "the request is too large: it is larger than {max} bytes, which is the limit of this method, send less in one message"
        ))
    }

    fn refusal(&self, reason: &SizeError) -> Status {
        match reason {
            SizeError::Memory(field) => {
                self.budget.metrics.limits().record(ReachedLimit::MessageSize);
                let max = self.limits.decoded_bytes_max;
                status::memory_exhausted(format!(
                    "the request would take more than {max} bytes of memory, which is the limit of this method: `{field}` holds too much, send less in one message"
                ))
            }
            SizeError::Unwanted => status::interrupted(),
            SizeError::Depth => status::invalid_request(
                "the request is no message of its type: its values lie too deep in one another",
            ),
            SizeError::Group => status::invalid_request(
                "the request is no message of its type: it has a group, which proto3 does not have",
            ),
        }
    }
}

impl DecodeGuard for RequestMemory {
    fn admit(&self, full_name: fn() -> String, message: &[u8]) -> Result<(), Status> {
        self.has_own_status.store(true, Ordering::Relaxed);
        if message.len() > MEASURED_FROM_BYTES {
            return self.admit_measured(&full_name(), message);
        }
        self.admit_short();
        Ok(())
    }

    fn require_wanted(&self) -> Result<(), Status> {
        let is_abandoned = self.is_abandoned.load(Ordering::Relaxed);
        if is_abandoned { Err(status::interrupted()) } else { Ok(()) }
    }
}

impl Drop for RequestMemory {
    fn drop(&mut self) {
        self.budget.bytes.fetch_sub(*self.charged.get_mut(), Ordering::Relaxed);
    }
}

/// The most bytes of a message in compressed form that may have so many otherwise: data that do not compress get slightly longer.
fn compressed_max(bytes_max: usize) -> usize {
    (bytes_max + bytes_max / 8).min(WIRE_BYTES_MAX)
}

/// The response to a request, or the error of one whose handler panics.
///
/// A large request is read and converted in [`aside`], by a task of its own: so the end of its time, or of its caller, is noticed
/// meanwhile, and dropping this future ends it.
pub(crate) async fn read<F>(call: Arc<RequestMemory>, mut answer: F) -> Result<F::Output, Status>
where
    F: Future<Output: Send> + Unpin + Send + 'static,
{
    let answered = poll_fn(|context| {
        if call.is_large() {
            return Poll::Ready(None);
        }
        let guard = Arc::<RequestMemory>::clone(&call);
        let polled = caught(|| guard_decoding(guard, || Pin::new(&mut answer).poll(context)));
        match polled {
            Ok(polled) => polled.map(|answer| Some(Ok(answer))),
            Err(fault) => Poll::Ready(Some(Err(fault))),
        }
    })
    .await;
    match answered {
        Some(answer) => answer,
        None => LargeCall::start(call, answer).await,
    }
}

/// A large request that is read by a task of its own. When it is dropped, the task ends at the next piece of its message.
struct LargeCall<T> {
    call: Arc<RequestMemory>,
    task: JoinHandle<Result<T, Status>>,
}

impl<T: Send + 'static> LargeCall<T> {
    fn start<F>(call: Arc<RequestMemory>, mut answer: F) -> Self
    where
        F: Future<Output = T> + Unpin + Send + 'static,
    {
        let guard = Arc::clone(&call);
        let reading = poll_fn(move |context| {
            let guard = Arc::<RequestMemory>::clone(&guard);
            let poll = || guard_decoding(guard, || Pin::new(&mut answer).poll(context));
            match caught(|| aside(poll)) {
                Ok(polled) => polled.map(Ok),
                Err(fault) => Poll::Ready(Err(fault)),
            }
        });
        Self { call, task: tokio::spawn(reading.in_current_span()) }
    }
}

impl<T> Future for LargeCall<T> {
    type Output = Result<T, Status>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        // Nothing but the end of the runtime ends the task otherwise.
        Pin::new(&mut self.task)
            .poll(context)
            .map(|ended| ended.unwrap_or_else(|_| Err(status::shutting_down())))
    }
}

impl<T> Drop for LargeCall<T> {
    fn drop(&mut self) {
        self.call.is_abandoned.store(true, Ordering::Relaxed);
        self.task.abort();
    }
}

/// Does work of some milliseconds on this thread, after the runtime has moved the other tasks of the thread to another one.
pub(crate) fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::try_current().map(|handle| handle.runtime_flavor()) {
        Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(work),
        // There is no other thread.
        _ => work(),
    }
}

/// The body of a request, counted.
pub(crate) struct CountedBody {
    body: Body,
    frames: RequestFrames,
    call: Arc<RequestMemory>,
    /// Keeps the first message for the audit log, where there is one.
    capture: Option<SharedCapture>,
    /// What the next poll returns: the frame with which the request became large, as that poll runs in [`aside`], or what
    /// [`Self::whole_message`] has looked at.
    kept: Option<Result<Frame<Bytes>, Status>>,
    /// What [`Self::whole_message`] has found after that.
    rest: Poll<Option<Result<Frame<Bytes>, Status>>>,
}

impl CountedBody {
    pub(super) fn new(
        body: Body,
        frames: RequestFrames,
        call: &Arc<RequestMemory>,
        capture: Option<SharedCapture>,
    ) -> Self {
        Self { body, frames, call: Arc::clone(call), capture, kept: None, rest: Poll::Pending }
    }

    /// The only message of the request, if it is there already, in one piece, and not compressed. The body still has it afterwards.
    pub(super) fn whole_message(&mut self) -> Option<Bytes> {
        // The next poll of the body is woken by what comes later.
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(first) = Pin::new(&mut *self).poll_frame(&mut context) else { return None };
        self.kept = first;
        let Some(Ok(frame)) = &self.kept else { return None };
        let data = frame.data_ref().filter(|_| self.frames.require_end().is_ok())?;
        let (prefix, _) = data.split_first_chunk::<FRAME_BYTES>()?;
        let message = (*prefix.first()? == 0).then(|| data.slice(FRAME_BYTES..))?;
        self.has_ended(&mut context).then_some(message)
    }

    /// Whether nothing comes after what was read, which some clients say with an empty frame of its own.
    fn has_ended(&mut self, context: &mut Context<'_>) -> bool {
        if self.body.is_end_stream() {
            return true;
        }
        let Poll::Ready(rest) = Pin::new(&mut self.body).poll_frame(context) else { return false };
        let is_empty = |frame: &Frame<Bytes>| frame.data_ref().is_some_and(Bytes::is_empty);
        let has_ended = match &rest {
            None => true,
            Some(Ok(frame)) => is_empty(frame) && self.body.is_end_stream(),
            Some(Err(_)) => false,
        };
        self.rest = Poll::Ready(rest.filter(|_| !has_ended));
        has_ended
    }

    /// Counts what has arrived. Trailers are the end of a request.
    fn receive(&mut self, frame: &Frame<Bytes>) -> Result<(), Status> {
        let Some(data) = frame.data_ref() else { return self.frames.require_end() };
        if let Some(capture) = &self.capture {
            capture.push(data);
        }
        self.frames.receive(data, |length| self.call.admit_length(length))?;
        self.call.receive(data.len())
    }
}

impl HttpBody for CountedBody {
    type Data = Bytes;
    type Error = Status;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
        if let Some(frame) = self.kept.take() {
            return Poll::Ready(Some(frame));
        }
        let polled = match mem::replace(&mut self.rest, Poll::Pending) {
            Poll::Ready(rest) => Poll::Ready(rest),
            Poll::Pending => Pin::new(&mut self.body).poll_frame(context),
        };
        let frame = match polled {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => {
                return Poll::Ready(Some(Err(self.call.fail(error))));
            }
            Poll::Ready(None) => return Poll::Ready(self.frames.require_end().err().map(Err)),
            Poll::Pending => return Poll::Pending,
        };

        let was_large = self.call.is_large();
        if let Err(refusal) = self.receive(&frame) {
            // No more of it is wanted.
            self.body = Body::empty();
            return Poll::Ready(Some(Err(refusal)));
        }
        if self.call.is_large() && !was_large {
            self.kept = Some(Ok(frame));
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        Poll::Ready(Some(Ok(frame)))
    }

    fn is_end_stream(&self) -> bool {
        // A request that ends too early is polled to its end, so that this is noticed.
        let has_ended = match &self.rest {
            Poll::Ready(rest) => rest.is_none(),
            Poll::Pending => self.body.is_end_stream(),
        };
        self.kept.is_none() && has_ended && self.frames.require_end().is_ok()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::VecDeque;
    use std::time::Duration;
    use tokio::sync::oneshot;
    use tokio::time::Instant;
    use tonic::Code;
    use tonic::codegen::http::{HeaderValue, Request};

    /// A body whose client has broken it off.
    struct BrokenOff;

    impl HttpBody for BrokenOff {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Ready(Some(Err(Status::cancelled("reset"))))
        }
    }

    /// A body of some frames.
    struct Frames(VecDeque<Bytes>);

    impl HttpBody for Frames {
        type Data = Bytes;
        type Error = Status;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, Status>>> {
            Poll::Ready(self.0.pop_front().map(|data| Ok(Frame::data(data))))
        }

        fn is_end_stream(&self) -> bool {
            self.0.is_empty()
        }
    }

    #[test]
    fn a_whole_message_is_one_that_is_not_compressed() {
        let mut request = Request::new(());
        let gzip = HeaderValue::from_static("gzip");
        request.headers_mut().insert("grpc-encoding", gzip);
        let budget = Arc::new(MemoryBudget::new(1 << 20, Arc::default()));
        let limits = MethodLimits::from_path("/a/CheckPermission");
        for (flag, expected) in [(0, Some(Bytes::from_static(b"x"))), (1, None)] {
            let call = RequestMemory::new(&budget, limits, true);
            let message = Bytes::from(vec![flag, 0, 0, 0, 1, b'x']);
            let body = Body::new(Frames(VecDeque::from([message])));
            let mut body = CountedBody::new(body, RequestFrames::of(&request), &call, None);
            assert_eq!(body.whole_message(), expected);
        }
    }

    #[tokio::test]
    async fn the_end_of_a_whole_message_may_come_by_itself() {
        let message = Bytes::from_static(b"\0\0\0\0\x01x");
        let budget = Arc::new(MemoryBudget::new(1 << 20, Arc::default()));
        for (rest, is_whole) in [("", true), ("y", false)] {
            let call =
                RequestMemory::new(&budget, MethodLimits::from_path("/a/CheckPermission"), false);
            let frames = VecDeque::from([message.clone(), Bytes::from_static(rest.as_bytes())]);
            let frame_rules = RequestFrames::of(&Request::new(()));
            let mut body = CountedBody::new(Body::new(Frames(frames)), frame_rules, &call, None);
            assert_eq!(body.whole_message().is_some(), is_whole, "{rest:?}");

            // The service, which reads it afterwards, finds all of it.
            let first = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
            assert_eq!(first.unwrap().unwrap().into_data().unwrap(), message);
            assert_eq!(body.is_end_stream(), is_whole);
            let second = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
            assert_eq!(second.is_none(), is_whole, "{rest:?}");
        }
    }

    #[tokio::test]
    async fn a_request_that_is_broken_off_does_not_end_as_a_whole_one() {
        let budget = Arc::new(MemoryBudget::new(1 << 20, Arc::default()));
        let call = RequestMemory::new(&budget, MethodLimits::from_path("/a/Watch"), false);
        let frames = RequestFrames::of(&Request::new(()));
        let mut body = CountedBody::new(Body::new(BrokenOff), frames, &call, None);
        let error = poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        // Of CANCELLED, tonic makes the end of the messages.
        assert_eq!(error.unwrap().unwrap_err().code(), Code::Aborted);
        // The call ends with it all the same.
        let ended = call.attributed(Status::aborted("the messages ended").into_http());
        assert_eq!(Status::from_header_map(ended.headers()).unwrap().code(), Code::Cancelled);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn a_large_request_that_no_one_waits_for_is_left_while_it_is_decoded() {
        let budget = Arc::new(MemoryBudget::new(1 << 20, Arc::default()));
        let limits = MethodLimits::from_path("/a/ImportBulkRelationships");
        let call = RequestMemory::new(&budget, limits, false);
        call.receive(SMALL_BYTES + 1).unwrap();
        assert!(budget.bytes.load(Ordering::Relaxed) > SMALL_BYTES);

        // As decoding does, it returns only when it is no longer wanted.
        let (begun, begins) = oneshot::channel();
        let (ended, ends) = oneshot::channel();
        let (guard, mut notices) = (Arc::clone(&call), Some((begun, ended)));
        let decoding = poll_fn(move |_| {
            let (begun, ended) = notices.take().unwrap();
            begun.send(()).unwrap();
            let start = Instant::now();
            while guard.require_wanted().is_ok() && start.elapsed() < Duration::from_mins(1) {
                std::thread::yield_now();
            }
            ended.send(guard.require_wanted().is_err()).unwrap();
            Poll::Ready(())
        });
        let reading = tokio::spawn(read(call, Box::pin(decoding)));
        begins.await.unwrap();
        reading.abort();
        assert!(ends.await.unwrap(), "it is still wanted");
        while budget.bytes.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
    }
}
