//! Runs the calls of an HTTP/2 connection: first in the connection's own task, all that arrived together, one after the other.
//!
//! A task for each call costs more than most answers: it is queued, often by waking another thread, and its answer wakes the
//! connection's task. Calls that are answered by their first poll need none of that, and their answers leave in one write. A call
//! that is not ready then gets its task. When there is more to poll than fits into one turn, a few other tasks help, so that a
//! connection with many calls can use every processor, and yet the others wait for a few turns only.

use super::call_queue::{Call, CallQueue};
use crate::api::{CallTurn, ConcurrencyLimiter, ConnectionCaller};
use hyper::rt::Executor;
use std::future::poll_fn;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::available_parallelism;
use std::time::Duration;
use tokio::time::Instant;

/// How long a task polls calls before others get their turn on its thread.
const TURN: Duration = Duration::from_micros(200);
/// How many waiting calls are worth another task that polls them.
const CALLS_PER_HELPER: usize = 16;
/// The most tasks that help a connection.
static HELPERS_MAX: LazyLock<usize> =
    LazyLock::new(|| available_parallelism().map_or(1, |threads| threads.get() - 1).max(1));

/// The executor of one connection, to which the connection gives its calls.
#[derive(Clone)]
pub(super) struct BatchExecutor {
    received: Arc<Mutex<ReceivedCalls>>,
    overload: ConnectionLoad,
}

/// How a connection takes part in the protection against overload.
#[derive(Clone, Debug)]
pub(super) struct ConnectionLoad {
    /// Says which calls have their turn, and learns how long they wait.
    pub(super) limiter: Arc<ConcurrencyLimiter>,
    /// Who calls on the connection.
    pub(super) caller: Arc<ConnectionCaller>,
}

/// The calls of a connection that have not been polled. Not a part of the executor, which each of the calls holds.
struct Backlog {
    state: Mutex<BacklogState>,
    turn: Duration,
    overload: ConnectionLoad,
}

#[derive(Default)]
struct BacklogState {
    calls: CallQueue,
    helpers: usize,
}

/// Why the turn of a task that polls calls is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TurnEnd {
    /// No call is left.
    Empty,
    /// Its time is.
    Time,
    /// None of those that are left has its turn. The oldest one has waited for so long.
    Load(Duration),
}

/// Calls that have arrived in the present poll of the connection.
#[derive(Default)]
struct ReceivedCalls {
    /// Whether the connection is being polled, so that someone takes what is queued.
    is_open: bool,
    calls: Vec<Call>,
}

/// Wakes the task of a connection, but not for the answers of calls that are polled in it: they are sent without that.
struct Wakeups {
    task: Waker,
    is_muted: AtomicBool,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for BatchExecutor {
    fn execute(&self, call: F) {
        let mut received = self.received();
        if received.is_open {
            received.calls.push(Box::pin(call));
        } else {
            drop(received);
            tokio::spawn(call);
        }
    }
}

impl BatchExecutor {
    /// An executor for a connection.
    pub(super) fn new(overload: ConnectionLoad) -> Self {
        Self { received: Arc::default(), overload }
    }

    /// Polls the connection that has this executor, and its calls.
    pub(super) async fn drive<C: Future>(&self, connection: Pin<&mut C>) -> C::Output {
        self.drive_in_turns(connection, TURN).await
    }

    async fn drive_in_turns<C: Future>(
        &self,
        mut connection: Pin<&mut C>,
        turn: Duration,
    ) -> C::Output {
        let backlog = Arc::new(Backlog::new(turn, self.overload.clone()));
        let mut wakeups = None;
        poll_fn(|context| {
            let wakeups = Wakeups::of(&mut wakeups, context.waker());
            let waker = Waker::from(Arc::clone(wakeups));
            let begun = Instant::now();
            let end = begun + turn;
            let mut is_over = false;
            loop {
                let polling = connection.as_mut();
                let (polled, calls) =
                    self.poll_connection(polling, &mut Context::from_waker(&waker));
                let has_calls = !calls.is_empty();
                backlog.add(calls, begun);
                if !has_calls || is_over {
                    backlog.get_help();
                    return polled;
                }

                is_over = wakeups.mute_while(|| backlog.poll_calls(end)) != TurnEnd::Empty;
                backlog.get_help();
                if polled.is_ready() {
                    return polled;
                }
                // The connection is polled once more, which sends the answers.
            }
        })
        .await
    }

    /// Polls the connection alone; returns the calls that it has received.
    fn poll_connection<C: Future>(
        &self,
        connection: Pin<&mut C>,
        context: &mut Context<'_>,
    ) -> (Poll<C::Output>, Vec<Call>) {
        self.received().is_open = true;
        let polled = connection.poll(context);

        let mut received = self.received();
        received.is_open = false;
        (polled, mem::take(&mut received.calls))
    }

    fn received(&self) -> MutexGuard<'_, ReceivedCalls> {
        self.received.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionLoad {
    /// A new connection of a server that refuses nothing yet.
    #[cfg(test)]
    pub(super) fn of_calm_server() -> Self {
        let limiter = ConcurrencyLimiter::new(crate::api::OverloadOptions::default());
        let limiter = Arc::new(limiter);
        Self { limiter, caller: Arc::default() }
    }
}

impl Wakeups {
    /// The present wake-ups, or new ones when the connection has another task.
    fn of<'w>(present: &'w mut Option<Arc<Self>>, task: &Waker) -> &'w Arc<Self> {
        let of_task = present.take().filter(|wakeups| wakeups.task.will_wake(task));
        present.insert(of_task.unwrap_or_else(|| {
            Arc::new(Self { task: task.clone(), is_muted: AtomicBool::new(false) })
        }))
    }

    /// Wakes nothing meanwhile. The connection has to be polled afterwards: what happened to its socket then shows.
    fn mute_while<T>(&self, work: impl FnOnce() -> T) -> T {
        self.is_muted.store(true, Ordering::Relaxed);
        let result = work();
        // Also sees what happened before each wake-up that was muted, because both modify the flag.
        self.is_muted.swap(false, Ordering::AcqRel);
        result
    }
}

impl Wake for Wakeups {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if !self.is_muted.fetch_or(false, Ordering::AcqRel) {
            self.task.wake_by_ref();
        }
    }
}

impl Backlog {
    fn new(turn: Duration, overload: ConnectionLoad) -> Self {
        Self { state: Mutex::default(), turn, overload }
    }

    fn state(&self) -> MutexGuard<'_, BacklogState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, calls: Vec<Call>, arrived: Instant) {
        if !calls.is_empty() {
            self.overload.limiter.backlogs().add(calls.len());
            self.state().calls.add(calls, arrived);
        }
    }

    /// Polls calls until none is left or the turn has ended, and one of them in any case that may begin.
    fn poll_calls(&self, end: Instant) -> TurnEnd {
        let ConnectionLoad { limiter, caller } = &self.overload;
        let mut now = Instant::now();
        // Of the oldest calls: the newest, which go first when others are late, would hide how long these wait.
        let (mut polled, mut waited_in_all) = (0, Duration::ZERO);
        let turn_end = loop {
            let mut state = self.state();
            let Some(waited) = state.calls.waited(now) else { break TurnEnd::Empty };
            let turn = limiter.turn(caller, waited, now);
            let Some(call) = state.calls.take(turn) else { break TurnEnd::Load(waited.0) };
            drop(state);
            poll_once(call);
            polled += 1;
            waited_in_all += waited.0;

            let begun = mem::replace(&mut now, Instant::now());
            if turn == CallTurn::Late {
                limiter.spend_on_late(now.saturating_duration_since(begun));
            }
            if now >= end {
                break TurnEnd::Time;
            }
        };
        limiter.backlogs().remove(polled, waited_in_all);
        turn_end
    }

    /// Starts tasks that poll what is left, which other threads can take.
    fn get_help(self: &Arc<Self>) {
        let mut state = self.state();
        let wanted = state.calls.len().div_ceil(CALLS_PER_HELPER).min(*HELPERS_MAX);
        while state.helpers < wanted {
            state.helpers += 1;
            tokio::spawn(Arc::clone(self).help());
        }
    }

    async fn help(self: Arc<Self>) {
        loop {
            let turn_end = self.poll_calls(Instant::now() + self.turn);
            if self.ends_help() {
                return;
            }
            match turn_end {
                TurnEnd::Load(oldest) => self.overload.limiter.until_next_turn(oldest).await,
                TurnEnd::Empty | TurnEnd::Time => tokio::task::yield_now().await,
            }
        }
    }

    /// Whether a helper has nothing left to do; then it counts no more.
    fn ends_help(&self) -> bool {
        let mut state = self.state();
        let is_done = state.calls.is_empty();
        if is_done {
            state.helpers -= 1;
        }
        is_done
    }
}

impl Drop for Backlog {
    fn drop(&mut self) {
        self.overload.limiter.backlogs().remove(self.state().calls.len(), Duration::ZERO);
    }
}

/// Polls a call, and gives it a task of its own unless that has ended it.
fn poll_once(mut call: Call) {
    // Its task polls it again before it can miss anything.
    let mut context = Context::from_waker(Waker::noop());
    // The calls beside it must not end with it. A panic in a task of its own would end no more than the call either.
    let polled = catch_unwind(AssertUnwindSafe(|| call.as_mut().poll(&mut context)));
    if let Ok(Poll::Pending) = polled {
        tokio::spawn(call);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use std::pin::pin;
    use std::sync::atomic::AtomicUsize;
    use tokio::runtime::Handle;
    use tokio::sync::oneshot;

    /// A turn that does not end.
    const ENDLESS: Duration = Duration::from_hours(1);

    /// A call that counts its end.
    fn short(ended: Arc<AtomicUsize>) -> impl Future<Output = ()> {
        poll_fn(move |_| {
            ended.fetch_add(1, Ordering::Relaxed);
            Poll::Ready(())
        })
    }

    /// A connection that receives these calls with its first poll, and ends with that poll if it `ends`.
    fn connection(
        executor: &BatchExecutor,
        calls: Vec<Call>,
        ends: bool,
        polled: impl Fn(),
    ) -> impl Future<Output = ()> {
        let (executor, mut calls) = (executor.clone(), calls);
        poll_fn(move |_| {
            polled();
            calls.drain(..).for_each(|call| executor.execute(call));
            if ends { Poll::Ready(()) } else { Poll::Pending }
        })
    }

    /// Gives a connection that receives these calls a turn; returns how often the connection itself is polled in it.
    fn polls(calls: Vec<Call>, turn: Duration) -> usize {
        let executor = BatchExecutor::new(ConnectionLoad::of_calm_server());
        let count = Cell::new(0);
        let polled = || count.set(count.get() + 1);
        let mut connection = pin!(connection(&executor, calls, false, polled));
        let driven = pin!(executor.drive_in_turns(connection.as_mut(), turn));
        assert!(driven.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        count.get()
    }

    /// Lets all tasks run until none is left.
    async fn until_all_tasks_have_ended() {
        while Handle::current().metrics().num_alive_tasks() > 0 {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn answered_calls_take_no_task_and_are_sent_together() {
        let ended = Arc::<AtomicUsize>::default();
        let calls = (0..10).map(|_| -> Call { Box::pin(short(Arc::clone(&ended))) });
        assert_eq!(polls(calls.collect(), ENDLESS), 2);
        assert_eq!(ended.load(Ordering::Relaxed), 10);
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 0);
    }

    #[tokio::test]
    async fn a_call_that_panics_ends_alone() {
        let ended = Arc::<AtomicUsize>::default();
        let calls: Vec<Call> = vec![
            Box::pin(short(Arc::clone(&ended))),
            Box::pin(async { panic!("a test") }),
            Box::pin(short(Arc::clone(&ended))),
        ];
        assert_eq!(polls(calls, ENDLESS), 2);
        assert_eq!(ended.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn a_call_that_waits_does_so_in_a_task_of_its_own() {
        let ended = Arc::<AtomicUsize>::default();
        let (answer, answered) = oneshot::channel::<()>();
        let last = short(Arc::clone(&ended));
        let waiting = async move {
            answered.await.unwrap();
            last.await;
        };
        assert_eq!(polls(vec![Box::pin(waiting), Box::pin(short(Arc::clone(&ended)))], ENDLESS), 2);
        assert_eq!(ended.load(Ordering::Relaxed), 1);
        assert_eq!(Handle::current().metrics().num_alive_tasks(), 1);
        answer.send(()).unwrap();
        until_all_tasks_have_ended().await;
        assert_eq!(ended.load(Ordering::Relaxed), 2);
    }

    #[tokio::test]
    async fn calls_that_are_too_much_for_a_turn_leave_the_connection_free() {
        let ended = Arc::<AtomicUsize>::default();
        let count = CALLS_PER_HELPER * (*HELPERS_MAX + 1);
        let calls = (0..count).map(|_| -> Call { Box::pin(short(Arc::clone(&ended))) });
        assert_eq!(polls(calls.collect(), Duration::ZERO), 2);
        assert_eq!(ended.load(Ordering::Relaxed), 1);
        assert_eq!(Handle::current().metrics().num_alive_tasks(), *HELPERS_MAX);
        until_all_tasks_have_ended().await;
        assert_eq!(ended.load(Ordering::Relaxed), count);
    }

    /// A task that counts how often it is woken.
    #[derive(Default)]
    struct CountedTask(AtomicUsize);

    impl Wake for CountedTask {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn answers_in_the_turn_of_a_connection_do_not_wake_it_and_later_ones_do() {
        let (executor, task) =
            (BatchExecutor::new(ConnectionLoad::of_calm_server()), Arc::<CountedTask>::default());
        let waker = Arc::new(Mutex::new(Waker::noop().clone()));
        let (receiver, answering) = (executor.clone(), Arc::clone(&waker));
        let mut calls = vec![move || answering.lock().unwrap().wake_by_ref()];
        let mut connection = pin!(poll_fn(|context| {
            *waker.lock().unwrap() = context.waker().clone();
            for call in calls.drain(..) {
                receiver.execute(async move { call() });
            }
            Poll::<()>::Pending
        }));

        let driven = pin!(executor.drive_in_turns(connection.as_mut(), ENDLESS));
        let of_task = Waker::from(Arc::clone(&task));
        assert!(driven.poll(&mut Context::from_waker(&of_task)).is_pending());
        assert_eq!(task.0.load(Ordering::Relaxed), 0);
        waker.lock().unwrap().wake_by_ref();
        assert_eq!(task.0.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn calls_beyond_the_limit_wait_until_others_have_ended() {
        let ended = Arc::<AtomicUsize>::default();
        let limiter = Arc::new(ConcurrencyLimiter::with_limit(1));
        let work = [limiter.begin_work(), limiter.begin_work()];
        let caller = Arc::new(ConnectionCaller::with_calls(2));
        let executor = BatchExecutor::new(ConnectionLoad { limiter, caller });
        let calls: Vec<Call> = vec![Box::pin(short(Arc::clone(&ended)))];
        let mut connection = pin!(connection(&executor, calls, false, || ()));
        let driven = pin!(executor.drive_in_turns(connection.as_mut(), ENDLESS));
        assert!(driven.poll(&mut Context::from_waker(Waker::noop())).is_pending());
        tokio::task::yield_now().await;
        assert_eq!(ended.load(Ordering::Relaxed), 0);

        drop(work);
        let in_time = tokio::time::timeout(ENDLESS / 60, until_all_tasks_have_ended());
        in_time.await.unwrap();
        assert_eq!(ended.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_arrives_with_the_end_of_a_connection_is_still_begun() {
        let ended = Arc::<AtomicUsize>::default();
        let executor = BatchExecutor::new(ConnectionLoad::of_calm_server());
        let calls: Vec<Call> = vec![Box::pin(short(Arc::clone(&ended)))];
        executor.drive(pin!(connection(&executor, calls, true, || ()))).await;
        assert_eq!(ended.load(Ordering::Relaxed), 1);
    }

    #[tokio::test]
    async fn what_comes_while_no_one_polls_the_connection_is_not_forgotten() {
        let ended = Arc::<AtomicUsize>::default();
        BatchExecutor::new(ConnectionLoad::of_calm_server()).execute(short(Arc::clone(&ended)));
        until_all_tasks_have_ended().await;
        assert_eq!(ended.load(Ordering::Relaxed), 1);
    }
}
