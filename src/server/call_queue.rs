//! The calls of a connection that wait for their first poll, and their order.

use std::collections::VecDeque;
use std::pin::Pin;
use std::time::Duration;
use tokio::time::Instant;

/// What may be spent on late calls, as a part of the time spent on those that are in time.
const LATE_PART: u32 = 16;
/// The most that is spent on late calls in a row.
const LATE_TIME_MAX: Duration = Duration::from_millis(1);

/// A call until its response has been sent.
pub(super) type Call = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Calls in the order of their arrival.
///
/// They leave it in this order while none is late. When some are, the newest one goes first: its client is the most likely to
/// wait still. The late ones, which are refused while the server is overloaded, get a part of the time: refusals cost little, but
/// clients that repeat refused calls at once would use up all the time.
#[derive(Default)]
pub(super) struct CallQueue {
    calls: VecDeque<QueuedCall>,
    /// From when on a call is late.
    late_after: Option<Duration>,
    /// What may be spent on late calls.
    late_time: Duration,
}

struct QueuedCall {
    call: Call,
    arrived: Instant,
}

/// A call that has left the queue.
pub(super) struct NextCall {
    pub(super) call: Call,
    /// How long the oldest call, which it may be, was in the queue.
    pub(super) oldest: Duration,
    pub(super) turn: CallTurn,
}

/// Why it is a call's turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum CallTurn {
    /// It is the oldest one, and no call is late.
    Oldest,
    /// It is the oldest one, which is late.
    Late,
    /// It is the newest one, and others are late.
    Newest,
}

impl CallQueue {
    /// An empty queue whose calls are late after that time.
    pub(super) fn new(late_after: Option<Duration>) -> Self {
        Self { late_after, ..Self::default() }
    }

    pub(super) fn len(&self) -> usize {
        self.calls.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.calls.is_empty()
    }

    /// Adds calls that have arrived now.
    pub(super) fn add(&mut self, calls: Vec<Call>, now: Instant) {
        self.calls.extend(calls.into_iter().map(|call| QueuedCall { call, arrived: now }));
    }

    /// Takes the call whose turn it is.
    pub(super) fn next(&mut self, now: Instant) -> Option<NextCall> {
        let oldest = now.saturating_duration_since(self.calls.front()?.arrived);
        let turn = if self.late_after.is_none_or(|max| oldest <= max) {
            CallTurn::Oldest
        } else if self.late_time.is_zero() {
            CallTurn::Newest
        } else {
            CallTurn::Late
        };

        let QueuedCall { call, .. } = match turn {
            CallTurn::Oldest | CallTurn::Late => self.calls.pop_front()?,
            CallTurn::Newest => self.calls.pop_back()?,
        };
        Some(NextCall { call, oldest, turn })
    }

    /// Accounts for the time that the first poll of a call took, while others are late.
    pub(super) fn account(&mut self, turn: CallTurn, took: Duration) {
        match turn {
            CallTurn::Oldest => {}
            CallTurn::Late => self.late_time = self.late_time.saturating_sub(took),
            CallTurn::Newest => {
                self.late_time = (self.late_time + took / LATE_PART).min(LATE_TIME_MAX);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Waker};

    const LATE_AFTER: Duration = Duration::from_millis(20);

    /// A queue of calls that arrived one millisecond after another, and the number of the last one that was polled.
    struct Numbered {
        queue: CallQueue,
        polled: Arc<AtomicUsize>,
        first: Instant,
    }

    impl Numbered {
        fn new(count: usize, late_after: Option<Duration>) -> Self {
            let (polled, first) = (Arc::<AtomicUsize>::default(), Instant::now());
            let mut queue = CallQueue::new(late_after);
            for number in 0..count {
                let polled = Arc::clone(&polled);
                let call: Call = Box::pin(async move { polled.store(number, Ordering::Relaxed) });
                queue.add(vec![call], first + Self::time(number));
            }
            Self { queue, polled, first }
        }

        fn time(number: usize) -> Duration {
            Duration::from_millis(u64::try_from(number).unwrap())
        }

        /// Takes the next call so long after the arrival of the first one, and polls it, which takes that time. Returns its number.
        fn next(&mut self, after: Duration, took: Duration) -> usize {
            let NextCall { mut call, oldest, turn } = self.queue.next(self.first + after).unwrap();
            assert!(call.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());
            self.queue.account(turn, took);
            let number = self.polled.load(Ordering::Relaxed);
            let own = after.saturating_sub(Self::time(number));
            assert!(oldest == own || turn == CallTurn::Newest && oldest > own);
            number
        }
    }

    #[test]
    fn the_oldest_call_goes_first_while_none_is_late() {
        let mut calls = Numbered::new(3, Some(LATE_AFTER));
        let order = [0; 3].map(|_| calls.next(LATE_AFTER, LATE_AFTER));
        assert_eq!(order, [0, 1, 2]);
        assert!(calls.queue.next(calls.first).is_none());
    }

    #[test]
    fn the_newest_call_goes_first_while_others_are_late() {
        let mut calls = Numbered::new(4, Some(LATE_AFTER));
        let after = 2 * LATE_AFTER;
        let long = LATE_PART * LATE_TIME_MAX;
        assert_eq!(calls.next(after, long), 3);
        // The late ones have a part of the time of the newest one.
        assert_eq!(calls.next(after, LATE_TIME_MAX / 2), 0);
        assert_eq!(calls.next(after, LATE_TIME_MAX / 2), 1);
        assert_eq!(calls.next(after, long), 2);
        assert!(calls.queue.is_empty());
    }

    #[test]
    fn the_order_of_arrival_holds_where_no_call_is_refused() {
        let mut calls = Numbered::new(3, None);
        let order = [0; 3].map(|_| calls.next(Duration::from_hours(1), LATE_AFTER));
        assert_eq!(order, [0, 1, 2]);
    }
}
