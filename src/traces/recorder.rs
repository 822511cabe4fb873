//! Which calls are sampled, and the queue of those that ended.

use super::answer_token::TokenSlot;
use super::counts::{SpanCounts, SpanTotals};
use super::export::TraceExport;
use super::methods::{TracedMethod, TracedMethods};
use super::options::{TraceError, TraceOptions};
use super::parent::ParentSpan;
use super::span::{SpanEnd, SpanRecord};
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{self, Sender};

/// Has no span of its own: the check that it makes in the process is a call with the same parent, and has one.
const ENVOY_CHECK: &str = "/envoy.service.auth.v3.Authorization/Check";

/// One more than the largest number of 32 bits.
const TWO_TO_32: f64 = 4_294_967_296.0;

/// Decides which calls are sampled, and takes what they leave. Cheap to clone.
#[derive(Clone)]
pub struct TraceRecorder(Arc<RecorderState>);

struct RecorderState {
    queue: Sender<SpanRecord>,
    /// The share of calls without a parent that are sampled.
    ratio: f64,
    ids: SpanIds,
    methods: TracedMethods,
    counts: Arc<SpanCounts>,
    now: fn() -> Duration,
}

/// The span of a call in progress.
#[derive(Debug)]
pub struct ActiveSpan {
    recorder: TraceRecorder,
    trace_id: u128,
    span_id: u64,
    parent: Option<u64>,
    state: Option<String>,
    started: Duration,
    method: Arc<TracedMethod>,
    token: Option<TokenSlot>,
}

/// Ids that are unlike those of other servers: the outputs of `SplitMix64` from a random start.
#[derive(Debug)]
struct SpanIds(AtomicU64);

impl SpanIds {
    fn new() -> Result<Self, TraceError> {
        let mut seed = [0; 8];
        getrandom::fill(&mut seed).map_err(TraceError::Random)?;
        Ok(Self(AtomicU64::new(u64::from_ne_bytes(seed))))
    }

    fn next(&self) -> u64 {
        let state = self.0.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        // No id is 0.
        (mixed ^ (mixed >> 31)).max(1)
    }
}

impl TraceRecorder {
    /// A recorder and what exports its spans; neither where the options name no protocol. `now` is the time since the start of
    /// 1970.
    pub fn start(
        options: &TraceOptions,
        now: fn() -> Duration,
    ) -> Result<Option<(Self, TraceExport)>, TraceError> {
        let Some(protocol) = options.protocol else { return Ok(None) };
        let (queue, records) = mpsc::channel(options.queue_length.max(1));
        let counts = Arc::<SpanCounts>::default();
        let export = TraceExport::new(options, protocol, records, Arc::clone(&counts))?;
        let state = RecorderState {
            queue,
            ratio: options.sample_ratio,
            ids: SpanIds::new()?,
            methods: TracedMethods::new(),
            counts,
            now,
        };
        Ok(Some((Self(Arc::new(state)), export)))
    }

    /// The span of a call that begins now, if it is sampled and has spans: as the header `traceparent` says where there is a valid one, and
    /// otherwise by chance. `state` reads the header `tracestate`.
    pub fn begin(
        &self,
        path: &str,
        parent: Option<&str>,
        state: impl FnOnce() -> Option<String>,
    ) -> Option<ActiveSpan> {
        if path == ENVOY_CHECK {
            return None;
        }
        let recorder = &*self.0;
        let parent = parent.and_then(ParentSpan::read);
        let trace_id = if let Some(parent) = parent {
            parent.is_sampled.then_some(parent.trace_id)?
        } else {
            let low = (recorder.ratio > 0.0).then(|| recorder.ids.next())?;
            is_sampled(low, recorder.ratio).then_some(())?;
            (u128::from(recorder.ids.next()) << 64) | u128::from(low)
        };

        let method = recorder.methods.get(path);
        Some(ActiveSpan {
            recorder: self.clone(),
            trace_id,
            span_id: recorder.ids.next(),
            parent: parent.map(|parent| parent.span_id),
            state: parent.and_then(|_| state()),
            started: (recorder.now)(),
            token: method.token_field.map(TokenSlot::new),
            method,
        })
    }

    /// How many spans there were so far.
    pub fn totals(&self) -> SpanTotals {
        self.0.counts.totals()
    }
}

impl fmt::Debug for TraceRecorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceRecorder").field("ratio", &self.0.ratio).finish_non_exhaustive()
    }
}

/// Whether a trace is in a share of all traces, by the lower half of its id. Other programs with the same share choose the same
/// traces, because they compare the same bits.
fn is_sampled(low: u64, ratio: f64) -> bool {
    let bits = u32::try_from((low >> 31) & u64::from(u32::MAX)).unwrap_or(u32::MAX);
    f64::from(bits) < ratio * TWO_TO_32
}

impl ActiveSpan {
    /// The id of its trace, in hexadecimal digits.
    pub fn trace_id(&self) -> String {
        format!("{:032x}", self.trace_id)
    }

    /// Receives the token of the response.
    pub fn token_slot(&self) -> Option<TokenSlot> {
        self.token.clone()
    }

    /// Ends the span with its call. It is dropped, and counted, when too many wait.
    pub fn end(self, end: SpanEnd) {
        let record = SpanRecord {
            trace_id: self.trace_id,
            span_id: self.span_id,
            parent: self.parent,
            state: self.state,
            started: self.started,
            method: self.method,
            token: self.token.as_ref().and_then(TokenSlot::token),
            end,
        };
        let RecorderState { queue, counts, .. } = &*self.recorder.0;
        if queue.try_send(record).is_err() {
            counts.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::traces::options::TraceProtocol;

    fn recorder(ratio: f64, queue_length: usize) -> (TraceRecorder, TraceExport) {
        let options = TraceOptions {
            protocol: Some(TraceProtocol::Grpc),
            sample_ratio: ratio,
            queue_length,
            ..TraceOptions::default()
        };
        TraceRecorder::start(&options, || Duration::ZERO).unwrap().unwrap()
    }

    #[test]
    fn a_share_of_the_calls_without_a_parent_is_sampled() {
        for (ratio, range) in [(0.0, 0..=0), (0.25, 2_000..=3_000), (1.0, 10_000..=10_000)] {
            let (recorder, _export) = recorder(ratio, 1);
            let sampled = (0..10_000).filter_map(|_| recorder.begin("/", None, || None)).count();
            assert!(range.contains(&sampled), "{ratio}: {sampled}");
        }
    }

    #[test]
    fn spans_that_find_no_room_are_counted() {
        let (recorder, _export) = recorder(1.0, 2);
        for _ in 0..5 {
            recorder.begin("/", None, || None).unwrap().end(SpanEnd::default());
        }
        assert_eq!(recorder.totals(), SpanTotals { dropped: 3, ..SpanTotals::default() });
    }
}
