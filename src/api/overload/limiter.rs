//! The limit of calls in progress, which follows the time for which calls wait.

use super::arrival::{CallArrival, ConnectionCaller};
use super::backlog::CallBacklogs;
use super::caller_load::CallerLoads;
use super::options::OverloadOptions;
use super::processors::processors;
use super::queue_probe::QueueProbe;
use super::refusal_time::RefusalTime;
use super::waiting::WaitingTimes;
use super::work_load::{WorkInProgress, WorkLoad};
use crate::api::status::{self, CallRefusal, OverloadRefusal};
use crate::telemetry::Throttle;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::time::Instant;
use tonic::Status;

/// The limit of a server that was never overloaded.
const CALLS_MAX: usize = 1 << 16;
/// How long waiting times are collected before the limit follows them.
const WINDOW: Duration = Duration::from_millis(100);
/// The fewest pieces of work whose waiting time counts: a few may have waited for one another.
const WORK_MIN: u64 = 16;
/// How many windows in a row have to be congested before the limit falls. A short pause, such as that of a virtual
/// machine, is no overload.
const CONGESTED_WINDOWS_MIN: u32 = 3;
/// How far one window lowers the limit at most, as a percentage of the calls in progress.
const DECREASE_PERCENT: (u128, u128) = (50, 90);
/// The share of the limit from which it counts as used, in tenths.
const USED_TENTHS: usize = 8;
/// After how many times the longest mean waiting time work is refused that still waits, while more calls are in progress
/// than the limit allows.
const LATE_FACTOR: u32 = 5;
/// How often a connection whose calls are late asks whether there is time to refuse them.
const LATE_TURN_INTERVAL: Duration = Duration::from_millis(10);
/// How often refusals are logged.
const LOG_INTERVAL: Duration = Duration::from_secs(10);

/// Admits calls while the server keeps up.
///
/// The limit is held against the calls that wait for their first answer, and against the work for further ones: a stream that waits for
/// its client holds no one up.
#[derive(Debug)]
pub(crate) struct ConcurrencyLimiter {
    options: OverloadOptions,
    /// All that are in progress, also those that wait for their clients.
    calls: AtomicUsize,
    /// What of them the limit is held against.
    work_load: Arc<WorkLoad>,
    /// Below which the limit does not fall: so many calls that no processor is idle while others wait.
    limit_min: usize,
    refused: AtomicU64,
    refusal_time: RefusalTime,
    /// Whether calls had to wait in their connections in this window, because of the limit.
    has_held: AtomicBool,
    /// Whether calls have waited for too long for some windows in a row.
    is_congested: AtomicBool,
    /// For their first poll.
    backlogs: CallBacklogs,
    /// For a turn on the threads that receive calls.
    turns: WaitingTimes,
    probe: QueueProbe,
    /// For a free worker and for the processor, of work that does not run on the thread that received the call.
    work: WaitingTimes,
    callers: CallerLoads,
    window: Mutex<Window>,
    started: Instant,
    /// The end of the window, in nanoseconds since `started`.
    window_end: AtomicU64,
}

/// What is decided at the end of a window.
#[derive(Debug, Default)]
struct Window {
    congested_in_a_row: u32,
    refused_before: u64,
    /// When it began, in nanoseconds since the start of the limiter.
    begun: u64,
}

/// The state of the overload protection, for metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverloadStatus {
    /// Calls in progress that are counted: all but watches.
    pub calls: usize,
    /// Calls in progress beyond which others are refused.
    pub limit: usize,
    /// Calls refused since the start.
    pub refused: u64,
}

/// Which call of a connection comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CallTurn {
    /// The oldest one: no call is late.
    Oldest,
    /// The oldest one, which is late. It gets a part of the time only.
    Late,
    /// The newest one, whose client is the most likely to wait still.
    Newest,
    /// None at present.
    None,
}

/// A call that counts as in progress until this is dropped.
#[derive(Debug)]
pub(crate) struct AdmittedCall {
    limiter: Arc<ConcurrencyLimiter>,
    caller: Arc<AtomicUsize>,
    /// Until its client has something to do.
    waits: Option<WorkInProgress>,
}

impl AdmittedCall {
    /// The call has begun to answer, or waits for its client. From now on only the work that is done for it counts.
    pub(crate) fn waits_no_longer(&mut self) {
        self.waits = None;
    }
}

impl ConcurrencyLimiter {
    /// A limiter that has refused nothing yet.
    pub(crate) fn new(options: OverloadOptions) -> Self {
        Self {
            options,
            calls: AtomicUsize::new(0),
            work_load: Arc::new(WorkLoad::new(CALLS_MAX)),
            limit_min: to_usize(options.calls_min.get()).min(2 * processors()),
            refused: AtomicU64::new(0),
            refusal_time: RefusalTime::default(),
            has_held: AtomicBool::new(false),
            is_congested: AtomicBool::new(false),
            backlogs: CallBacklogs::new(options.waiting_max),
            turns: WaitingTimes::default(),
            probe: QueueProbe::default(),
            work: WaitingTimes::default(),
            callers: CallerLoads::default(),
            window: Mutex::default(),
            started: Instant::now(),
            window_end: AtomicU64::new(nanoseconds(WINDOW)),
        }
    }

    /// A limiter with a limit for which no call is ever late.
    #[cfg(test)]
    pub(crate) fn with_limit(limit: usize) -> Self {
        let waiting_max = Some(Duration::from_hours(1));
        let limiter = Self::new(OverloadOptions { waiting_max, ..OverloadOptions::default() });
        limiter.work_load.set_limit(limit);
        limiter
    }

    /// What the connections report about the calls that wait in them.
    pub(crate) fn backlogs(&self) -> &CallBacklogs {
        &self.backlogs
    }

    /// Which call of a connection comes next, whose oldest and newest call have waited for so long.
    pub(crate) fn turn(
        &self,
        caller: &ConnectionCaller,
        (oldest, newest): (Duration, Duration),
        now: Instant,
    ) -> CallTurn {
        let Some(late_after) = self.backlogs.late_after() else { return CallTurn::Oldest };
        let (is_late, refuses) = (oldest > late_after, self.refuses());
        // Where none is refused, none waits for long because of the limit.
        if is_late && !refuses {
            return CallTurn::Oldest;
        }
        if is_late && self.refusal_time.is_left(self.since_start(now)) {
            return CallTurn::Late;
        }

        if newest > late_after || self.is_full_for(caller) {
            self.has_held.store(true, Ordering::Relaxed);
            self.backlogs.remains(oldest);
            return CallTurn::None;
        }
        if refuses { CallTurn::Newest } else { CallTurn::Oldest }
    }

    /// Accounts for the time that the first poll of a late call took.
    pub(crate) fn spend_on_late(&self, took: Duration) {
        self.refusal_time.spend(took);
    }

    /// Waits until a call that had no turn may have one, whose connection's oldest call has waited for so long.
    pub(crate) async fn until_next_turn(&self, oldest: Duration) {
        let late_after = self.backlogs.late_after().unwrap_or_default();
        // Many connections may wait for time to refuse their late calls: then each asks seldom.
        let time = late_after.checked_sub(oldest).unwrap_or(LATE_TURN_INTERVAL);
        let _ = tokio::time::timeout(time, self.work_load.until_less()).await;
    }

    /// Counts a piece of work for a call that has begun to answer.
    pub(crate) fn begin_work(&self) -> WorkInProgress {
        self.work_load.begin()
    }

    /// Counts a call that arrived then and there as in progress from now on, or refuses it. `key` is what the caller showed.
    pub(crate) fn admit(
        self: &Arc<Self>,
        key: &[u8],
        arrival: Option<&CallArrival>,
        now: Instant,
    ) -> Result<AdmittedCall, CallRefusal> {
        self.end_window(now);
        let caller = self.callers.of(key);
        let calls_of_caller = caller.load(Ordering::Relaxed);
        if let Some(max) = self.options.calls_per_key_max
            && calls_of_caller >= to_usize(max.get())
        {
            self.count_refusal(now);
            return Err(status::too_many_calls_of_key(max.get()).into());
        }
        if let Some(CallArrival { caller: of_connection, .. }) = arrival
            && self.is_congested.load(Ordering::Relaxed)
        {
            of_connection.note(&caller);
        }
        let waited = arrival
            .map_or(Duration::ZERO, |CallArrival { at, .. }| now.saturating_duration_since(*at));
        let is_beyond = || self.has_many() && self.is_beyond(calls_of_caller, &caller);
        if self.is_late(waited) || is_beyond() {
            return Err(CallRefusal::Overload(OverloadRefusal::new(self.count_refusal(now))));
        }

        self.calls.fetch_add(1, Ordering::Relaxed);
        self.callers.begin(&caller);
        let waits = Some(self.work_load.begin());
        Ok(AdmittedCall { limiter: Arc::clone(self), caller, waits })
    }

    /// Whether a call has waited for so long in its connection that its client may have given it up, and calls that are in
    /// time wait behind it. After a short pause, such as that of a virtual machine, no call is late, nor are the calls of
    /// clients that have a modest number of them.
    fn is_late(&self, waited: Duration) -> bool {
        self.backlogs.late_after().is_some_and(|max| waited > max) && self.refuses()
    }

    /// Whether calls wait for too long, and there are so many that some have to be refused.
    fn refuses(&self) -> bool {
        self.is_congested.load(Ordering::Relaxed) && self.has_many()
    }

    /// Whether more calls wait or are in progress than are never refused.
    fn has_many(&self) -> bool {
        self.backlogs.calls() + self.work_load.in_progress()
            >= to_usize(self.options.calls_min.get())
    }

    /// Whether the calls of a connection would be refused, as far as one can tell before they are looked at.
    fn is_full_for(&self, caller: &ConnectionCaller) -> bool {
        if !self.work_load.is_full() {
            return false;
        }
        // One that has asked for nothing but its health, or has just been opened, never waits.
        caller.calls().is_some_and(|calls| self.is_beyond(calls.load(Ordering::Relaxed), &calls))
    }

    /// Whether one more call is too much. While some callers have more than their part of the limit, those that have
    /// less are admitted all the same.
    fn is_beyond(&self, calls_of_caller: usize, caller: &AtomicUsize) -> bool {
        if self.options.waiting_max.is_none() {
            return false;
        }
        let (work, limit) = (self.work_load.in_progress(), self.work_load.limit());
        if work < limit {
            return false;
        }
        let part = limit / self.callers.active_with(caller);
        calls_of_caller >= part || work >= limit.saturating_mul(2)
    }

    fn count_refusal(&self, now: Instant) -> u64 {
        static THROTTLE: Throttle = Throttle::new(1, LOG_INTERVAL);
        let number = self.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(suppressed) = THROTTLE.admit(now.into_std()) {
            let OverloadStatus { calls, limit, .. } = self.status();
            tracing::warn!(calls, limit, suppressed, "calls are refused because of the load");
        }
        number
    }

    /// Measures now and then how long a task of the present runtime waits for its turn. Called for each call.
    pub(crate) fn probe_queue(self: &Arc<Self>, now: Instant) {
        if self.options.waiting_max.is_none() || !self.probe.is_due(self.since_start(now)) {
            return;
        }
        let limiter = Arc::clone(self);
        tokio::spawn(async move {
            let started = Instant::now();
            // Goes to the end of the queue.
            tokio::task::yield_now().await;
            limiter.record_turn(started.elapsed());
            limiter.probe.end();
        });
    }

    /// Records how long a task waited for its turn: a probe, or a call whose work on a worker has ended.
    pub(crate) fn record_turn(&self, waited: Duration) {
        self.turns.add(waited);
    }

    /// Records how long a piece of work waited for a worker and for the processor.
    pub(crate) fn record_work(&self, waited: Duration) {
        self.work.add(waited);
    }

    /// Refuses a piece of work that is about to begin, if it has waited for so long that its caller has hardly any use for
    /// it, and calls that came in time wait behind it. Nothing is refused for that while no more calls are in progress than
    /// the limit allows: those that were admitted before the limit fell are the ones that wait.
    pub(crate) fn require_in_time(&self, waited: Duration) -> Result<(), Status> {
        let is_late =
            self.options.waiting_max.is_some_and(|max| waited > max.saturating_mul(LATE_FACTOR));
        if !is_late || !self.has_many() || self.work_load.in_progress() <= self.work_load.limit() {
            return Ok(());
        }
        Err(OverloadRefusal::new(self.count_refusal(Instant::now())).into_status())
    }

    /// The present state.
    pub(crate) fn status(&self) -> OverloadStatus {
        OverloadStatus {
            calls: self.calls.load(Ordering::Relaxed),
            limit: self.work_load.limit(),
            refused: self.refused.load(Ordering::Relaxed),
        }
    }

    /// Ends the window if its time has passed, and adapts the limit.
    fn end_window(&self, now: Instant) {
        let Some(waiting_max) = self.options.waiting_max else { return };
        let now = self.since_start(now);
        if now < self.window_end.load(Ordering::Relaxed) {
            return;
        }
        // Another call is about to end it.
        let Ok(mut window) = self.window.try_lock() else { return };
        if now < self.window_end.load(Ordering::Relaxed) {
            return;
        }
        self.window_end.store(now + nanoseconds(WINDOW), Ordering::Relaxed);

        let has_work = self.work.count() >= WORK_MIN;
        let (turns, work) = (self.turns.take_mean(), self.work.take_mean());
        let begun = turns.max(self.backlogs.take_mean());
        let waited = if has_work { begun.max(work) } else { begun };
        let (peak, ended) = self.work_load.take_peak_and_ended();
        let refused = self.refused.load(Ordering::Relaxed);
        let has_held = self.has_held.swap(false, Ordering::Relaxed);
        let has_refused = has_held || refused != window.refused_before;
        window.refused_before = refused;
        let lasted = Duration::from_nanos(now - std::mem::replace(&mut window.begun, now));

        if waited > waiting_max {
            window.congested_in_a_row += 1;
            if window.congested_in_a_row >= CONGESTED_WINDOWS_MIN {
                self.lower(peak, waited, waiting_max, ended_within(waiting_max, ended, lasted));
            }
        } else {
            window.congested_in_a_row = 0;
            self.raise(peak, has_refused);
        }
        let is_congested = window.congested_in_a_row >= CONGESTED_WINDOWS_MIN;
        self.is_congested.store(is_congested, Ordering::Relaxed);
        self.callers.prune();
    }

    /// Lowers the limit below the calls that were in progress, the more the longer they waited, and at once to those that
    /// end within the longest time for waiting: calls that are in progress beyond these have to wait for longer (Little's law).
    fn lower(&self, peak: usize, waited: Duration, waiting_max: Duration, in_time: usize) {
        let (least, most) = DECREASE_PERCENT;
        let percent = waiting_max.as_nanos() * 100 / waited.as_nanos().max(1);
        let kept = peak.saturating_mul(to_usize(percent.clamp(least, most))) / 100;
        let limit = kept.min(in_time).min(self.work_load.limit());
        self.work_load.set_limit(limit.max(self.limit_min));
    }

    /// The time since the start, in nanoseconds.
    fn since_start(&self, now: Instant) -> u64 {
        nanoseconds(now.saturating_duration_since(self.started))
    }

    /// Raises the limit if it is used: otherwise nothing shows that more calls would be answered in time.
    fn raise(&self, peak: usize, has_refused: bool) {
        let limit = self.work_load.limit();
        if has_refused || peak >= limit / 10 * USED_TENTHS {
            self.work_load.set_limit((limit + limit / 10 + 1).min(CALLS_MAX));
        }
    }
}

impl Drop for AdmittedCall {
    fn drop(&mut self) {
        self.limiter.callers.end(&self.caller);
        self.limiter.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How many calls end in such a time, when `ended` ended in the time `lasted`.
fn ended_within(time: Duration, ended: usize, lasted: Duration) -> usize {
    let ended = u128::try_from(ended).unwrap_or(u128::MAX);
    to_usize(ended.saturating_mul(time.as_nanos()) / lasted.as_nanos().max(1))
}

fn nanoseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

fn to_usize<N: TryInto<usize>>(number: N) -> usize {
    number.try_into().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZero;
    use tonic::Code;

    const WAITING_MAX: Duration = Duration::from_millis(20);
    /// So many that half of 100 calls end within [`WAITING_MAX`].
    const ENDED_PER_WINDOW: usize = 250;

    fn limiter(calls_per_key_max: Option<u32>) -> Arc<ConcurrencyLimiter> {
        Arc::new(ConcurrencyLimiter::new(OverloadOptions {
            waiting_max: Some(WAITING_MAX),
            calls_min: NonZero::new(4).unwrap(),
            calls_per_key_max: calls_per_key_max.and_then(NonZero::new),
        }))
    }

    /// Ends `windows` windows, in each of which all samples waited that long and as many calls ended as the machine can
    /// answer.
    fn pass(limiter: &Arc<ConcurrencyLimiter>, windows: u32, waited: Duration) {
        for _ in 0..windows {
            limiter.record_turn(waited);
            (0..ENDED_PER_WINDOW).for_each(|_| drop(limiter.begin_work()));
            let end = Duration::from_nanos(limiter.window_end.load(Ordering::Relaxed));
            limiter.end_window(limiter.started + end);
        }
    }

    fn admit(limiter: &Arc<ConcurrencyLimiter>, key: &str, count: usize) -> Vec<AdmittedCall> {
        let admit = |_| limiter.admit(key.as_bytes(), None, limiter.started).ok();
        (0..count).filter_map(admit).collect()
    }

    /// The arrival of a call with the start of the limiter.
    fn first_arrival(limiter: &ConcurrencyLimiter) -> CallArrival {
        CallArrival { at: limiter.started, caller: Arc::default() }
    }

    /// Waits of calls in their connections that make the server congested.
    fn congest(limiter: &Arc<ConcurrencyLimiter>) {
        for _ in 0..CONGESTED_WINDOWS_MIN {
            limiter.backlogs.remains(2 * WAITING_MAX);
            pass(limiter, 1, Duration::ZERO);
        }
    }

    #[test]
    fn long_waiting_lowers_the_limit_and_short_waiting_raises_it_again() {
        let limiter = limiter(None);
        let calls = admit(&limiter, "a", 100);
        assert_eq!(calls.len(), 100);
        pass(&limiter, CONGESTED_WINDOWS_MIN, 2 * WAITING_MAX);
        assert_eq!(limiter.status().limit, 50);
        let refusal = limiter.admit(b"a", None, limiter.started).unwrap_err().into_response();
        let refusal = Status::from_header_map(refusal.headers()).unwrap();
        assert_eq!(refusal.code(), Code::ResourceExhausted);
        assert_eq!(limiter.status(), OverloadStatus { calls: 100, limit: 50, refused: 1 });

        drop(calls);
        assert_eq!(admit(&limiter, "a", 60).len(), 50);
        pass(&limiter, 1, Duration::ZERO);
        assert_eq!(limiter.status().limit, 56);
    }

    #[test]
    fn the_limit_falls_at_once_to_what_ends_in_time() {
        let limiter = limiter(None);
        let mut calls = admit(&limiter, "a", 4_000);
        pass(&limiter, CONGESTED_WINDOWS_MIN, 2 * WAITING_MAX);
        assert_eq!(limiter.status().limit, 50);

        // Until the calls that were admitted before are fewer, those that have waited for too long are not begun.
        let late = WAITING_MAX * LATE_FACTOR + Duration::from_millis(1);
        let refusal = limiter.require_in_time(late).unwrap_err();
        assert_eq!(refusal.code(), Code::ResourceExhausted);
        assert!(limiter.require_in_time(WAITING_MAX).is_ok());
        assert_eq!(limiter.status().refused, 1);
        calls.truncate(50);
        assert!(limiter.require_in_time(late).is_ok());
    }

    #[test]
    fn a_pause_and_a_few_calls_are_no_overload() {
        let limiter = limiter(None);
        let calls = admit(&limiter, "a", 100);
        for _ in 0..5 {
            pass(&limiter, CONGESTED_WINDOWS_MIN - 1, 10 * WAITING_MAX);
            pass(&limiter, 1, Duration::ZERO);
        }
        assert_eq!(limiter.status().limit, CALLS_MAX);

        drop(calls);
        pass(&limiter, 20, 10 * WAITING_MAX);
        assert_eq!(limiter.status().limit, 4);
        assert_eq!(admit(&limiter, "a", 10).len(), 4);
    }

    #[test]
    fn calls_that_waited_long_in_their_connection_are_refused_while_all_do() {
        let limiter = limiter(None);
        let late = limiter.started + 2 * WAITING_MAX;
        let arrival = first_arrival(&limiter);
        let admits = |now| limiter.admit(b"a", Some(&arrival), now).is_ok();
        let pass_with_calls = |windows, waited| {
            for _ in 0..windows {
                limiter.backlogs.add(1);
                limiter.backlogs.remove(1, waited);
                pass(&limiter, 1, Duration::ZERO);
            }
        };

        pass_with_calls(CONGESTED_WINDOWS_MIN - 1, 2 * WAITING_MAX);
        assert!(admits(late));
        pass_with_calls(1, 2 * WAITING_MAX);
        assert!(admits(late));
        limiter.backlogs.add(4);
        assert!(!admits(late));
        assert!(admits(limiter.started + WAITING_MAX));
        pass_with_calls(1, WAITING_MAX);
        assert!(admits(late));
    }

    #[test]
    fn the_newest_calls_go_first_while_calls_wait_for_too_long() {
        let limiter = limiter(None);
        let caller = ConnectionCaller::default();
        let now = limiter.started + RefusalTime::KEPT_MAX * 1_000;
        let turn = |oldest| limiter.turn(&caller, (oldest, Duration::ZERO), now);
        limiter.backlogs.add(3);
        congest(&limiter);
        // So few are never refused.
        assert_eq!(turn(2 * WAITING_MAX), CallTurn::Oldest);
        limiter.backlogs.add(1);
        assert_eq!(turn(WAITING_MAX), CallTurn::Newest);
        assert_eq!(turn(2 * WAITING_MAX), CallTurn::Late);
        limiter.spend_on_late(RefusalTime::KEPT_MAX);
        assert_eq!(turn(2 * WAITING_MAX), CallTurn::Newest);
    }

    #[test]
    fn late_calls_wait_when_there_is_no_time_to_refuse_them() {
        let limiter = limiter(None);
        congest(&limiter);
        limiter.backlogs.add(4);
        limiter.spend_on_late(RefusalTime::KEPT_MAX);
        let caller = ConnectionCaller::default();
        let late = 2 * WAITING_MAX;
        assert_eq!(limiter.turn(&caller, (late, late), limiter.started), CallTurn::None);
    }

    #[test]
    fn calls_beyond_the_limit_wait_in_their_connection_until_work_has_ended() {
        let limiter = limiter(None);
        let mut many = admit(&limiter, "many", 100);
        let known = first_arrival(&limiter);
        congest(&limiter);
        // A call of the connection tells who its caller is.
        drop(limiter.admit(b"many", Some(&known), limiter.started));
        let turn = |caller| limiter.turn(caller, (Duration::ZERO, Duration::ZERO), limiter.started);
        assert_eq!(turn(&known.caller), CallTurn::None);

        // That of another connection may be someone who has less than a part of the limit.
        many.truncate(limiter.status().limit);
        assert_eq!(turn(&known.caller), CallTurn::None);
        let unknown = ConnectionCaller::default();
        assert_eq!(turn(&unknown), CallTurn::Newest);
        many.pop();
        assert_eq!(turn(&known.caller), CallTurn::Newest);
    }

    #[tokio::test]
    async fn the_end_of_work_gives_a_waiting_connection_its_turn() {
        let limiter = limiter(None);
        limiter.work_load.set_limit(1);
        let work = limiter.begin_work();
        let long = Duration::from_hours(1);
        let mut waits = Box::pin(limiter.work_load.until_less());
        assert!(tokio::time::timeout(Duration::ZERO, &mut waits).await.is_err());
        drop(work);
        tokio::time::timeout(long, waits).await.unwrap();
    }

    #[test]
    fn a_caller_with_few_calls_is_admitted_beside_one_with_many() {
        let limiter = limiter(None);
        let mut many = admit(&limiter, "many", 100);
        pass(&limiter, CONGESTED_WINDOWS_MIN, 2 * WAITING_MAX);
        assert!(admit(&limiter, "many", 1).is_empty());
        // Half of the limit of 50, which the other caller has used up; together at most twice the limit.
        many.truncate(50);
        let few = admit(&limiter, "few", 100);
        assert_eq!(few.len(), 25);
        assert_eq!(limiter.callers.active.load(Ordering::Relaxed), 2);
    }

    #[test]
    fn a_key_has_a_limit_of_its_own_if_one_is_set() {
        let limiter = limiter(Some(3));
        let calls = admit(&limiter, "a", 5);
        assert_eq!(calls.len(), 3);
        assert_eq!(admit(&limiter, "b", 5).len(), 3);
        drop(calls);
        assert_eq!(admit(&limiter, "a", 1).len(), 1);
    }

    #[test]
    fn the_calls_of_forgotten_callers_are_still_counted() {
        let limiter = limiter(None);
        let held = admit(&limiter, "held", 1);
        for number in 0..2_000 {
            admit(&limiter, &number.to_string(), 1);
        }
        pass(&limiter, 1, Duration::ZERO);
        assert_eq!(limiter.callers.calls.len(), 1);
        drop(held);
        assert_eq!(limiter.status().calls, 0);
        assert_eq!(limiter.callers.active.load(Ordering::Relaxed), 0);
    }
}
