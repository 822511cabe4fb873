//! The server's clock: the system's wall clock, compared with the monotonic clock and with the last use of the store.
//!
//! A wall clock that is wrong for a while must do no lasting damage. Its readings are used in three ways:
//!
//! - **Reading**: revisions, expirations and times of day. Readings never go back. When the wall clock leaves the
//!   monotonic one, readings follow the monotonic one, until the wall clock has stayed where it is for
//!   [`CONFIRM_AHEAD`] or has come back. A jump that a start would refuse is not followed. After a step back they run at half the speed until the wall clock has caught up.
//! - **Collecting garbage**: deleted history cannot be restored, so only time that has certainly passed counts: up to the
//!   last use of the store, plus the time that the process has run since.
//! - **Starting**: a wall clock that is far ahead of the store's last use requires `--accept-clock`.

use crate::relationship::{Revision, Timestamp};
use crate::store::LastUse;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The name under which health checks ask whether the clock is believed.
pub const CLOCK_HEALTH_NAME: &str = "kilwa.clock";
/// By how much the wall clock may leave the monotonic one at once; time servers correct it by less.
const TOLERANCE: i128 = 5 * NANOS_PER_SECOND;
/// How long the wall clock has to stay ahead before readings follow it.
const CONFIRM_AHEAD: Duration = Duration::from_mins(15);
/// How long the wall clock has to keep to the monotonic one before its reading counts as certain.
const CONFIRM_START: Duration = Duration::from_hours(6);
const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// Where time comes from.
#[derive(Clone)]
pub struct TimeSource {
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    monotonic: Arc<dyn Fn() -> Duration + Send + Sync>,
}

impl TimeSource {
    /// A wall clock, and a monotonic clock, which never jumps.
    pub fn new(
        wall: impl Fn() -> Timestamp + Send + Sync + 'static,
        monotonic: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Self {
        Self { wall: Arc::new(wall), monotonic: Arc::new(monotonic) }
    }

    /// The system's clocks.
    #[expect(clippy::disallowed_methods, reason = "the server is where time comes from")]
    pub fn system() -> Self {
        let start = Instant::now();
        Self::new(system_now, move || start.elapsed())
    }
}

impl fmt::Debug for TimeSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TimeSource").finish_non_exhaustive()
    }
}

/// Why the wall clock is not believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ClockDoubt {
    /// It has jumped.
    #[error("the clock shows {wall}, but by the time that has passed it is {expected}")]
    Jumped {
        /// What it shows.
        wall: Timestamp,
        /// What it should show.
        expected: Timestamp,
    },
    /// The store has seen a later time.
    #[error("the clock shows {wall}, but the newest revision was made at {newest}")]
    Behind {
        /// What it shows.
        wall: Timestamp,
        /// When the newest revision was made.
        newest: Timestamp,
    },
}

/// A wall clock that is too far ahead of the store's last use to start with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the clock shows {wall}, but the store was last in use at {last_use}: if the clock is right, start once with `--accept-clock`, else set it; a clock that is ahead makes relationships expire too early, and what has expired is dropped for good"
)]
pub struct ClockAhead {
    /// The reading of the clock.
    pub wall: Timestamp,
    /// When the store was last in use.
    pub last_use: Timestamp,
}

/// Readings of a [`TimeSource`] that may be relied on.
#[derive(Debug)]
pub(super) struct GuardedClock {
    source: TimeSource,
    window: Duration,
    ahead_max: Duration,
    /// The time of the newest revision, when that is too far ahead of the clock to start from.
    newest: Option<Timestamp>,
    state: Mutex<ClockState>,
}

/// All times in nanoseconds since 1970.
#[derive(Clone, Copy, Debug)]
struct ClockState {
    /// A reading, and the monotonic time at which it was right.
    anchor: (i128, Duration),
    /// The last reading.
    last: i128,
    /// Since when the wall clock has been ahead, and by how much.
    ahead: Option<(Duration, i128)>,
    /// Since when it has kept to the monotonic clock.
    steady_since: Duration,
    /// A time that has certainly passed, and the monotonic time at which it had.
    certain: (i128, Duration),
}

impl GuardedClock {
    /// The clock of a server on a store that was last in use then. `window` is how long history is kept; a clock that is
    /// ahead by no more than `ahead_max` needs no `accepted`.
    pub(super) fn start(
        source: TimeSource,
        last_use: LastUse,
        window: Duration,
        (ahead_max, accepted): (Duration, bool),
    ) -> Result<Self, ClockAhead> {
        let (wall, monotonic) = ((source.wall)(), (source.monotonic)());
        let reading = nanos(wall);
        let newest = last_use.newest_revision.map(nanos);
        let seen = newest.max(last_use.collected_at.map(nanos));
        let gap = seen.map_or(0, |seen| reading - seen);
        if !accepted && gap > span(ahead_max) {
            let last_use = timestamp(reading - gap);
            return Err(ClockAhead { wall, last_use });
        }

        // A gap that is shorter than the history is no danger, even if all of it is the clock's fault.
        let collected = last_use.collected_at.map(nanos).or(newest).unwrap_or(reading);
        let is_certain = accepted || reading - collected <= span(window);
        let certain = if is_certain { reading } else { collected };
        // A clock before the newest revision starts at it, so that the order of times is the order of revisions.
        let behind = newest.map_or(0, |newest| newest - reading);
        let first = if behind > 0 && behind <= span(window) { reading + behind } else { reading };
        let state = ClockState {
            anchor: (first, monotonic),
            last: first,
            ahead: None,
            steady_since: monotonic,
            certain: (certain.min(reading), monotonic),
        };
        let newest = newest.filter(|_| behind > span(window)).map(timestamp);
        Ok(Self { source, window, ahead_max, newest, state: Mutex::new(state) })
    }

    /// The time. It never goes back.
    pub(super) fn now(&self) -> Timestamp {
        self.look().0
    }

    /// Why the wall clock is not believed at present.
    pub(super) fn doubt(&self) -> Option<ClockDoubt> {
        self.look().1
    }

    /// The time for which garbage may be collected; `None` while the wall clock is not believed.
    pub(super) fn collectable(&self) -> Option<Timestamp> {
        let (now, doubt) = self.look();
        if doubt.is_some() {
            return None;
        }
        let monotonic = (self.source.monotonic)();
        let (certain, at) = self.state().certain;
        let passed = certain + span(monotonic.saturating_sub(at));
        Some(now.min(timestamp(passed + span(self.window))))
    }

    fn look(&self) -> (Timestamp, Option<ClockDoubt>) {
        let mut state = self.state();
        // Within the lock, so that of two threads none uses a reading that is older than the other's.
        let (wall, monotonic) = ((self.source.wall)(), (self.source.monotonic)());
        let shown = nanos(wall);
        let (anchor, at) = state.anchor;
        let passed = span(monotonic.saturating_sub(at));
        let drift = shown - (anchor + passed);

        let mut doubt = None;
        if drift.abs() <= TOLERANCE {
            state.anchor = (shown, monotonic);
            state.ahead = None;
        } else if drift > 0 {
            doubt = Some(ClockDoubt::Jumped { wall, expected: timestamp(anchor + passed) });
            let (since, by) = state.ahead.unwrap_or((monotonic, drift));
            let stays = (by - drift).abs() <= TOLERANCE;
            let since = if stays { since } else { monotonic };
            state.ahead = Some((since, if stays { by } else { drift }));
            state.steady_since = monotonic;
            if drift <= span(self.ahead_max) && monotonic.saturating_sub(since) >= CONFIRM_AHEAD {
                state.anchor = (shown, monotonic);
                state.ahead = None;
                doubt = None;
            }
        } else {
            doubt = Some(ClockDoubt::Jumped { wall, expected: timestamp(anchor + passed) });
            // Never earlier than the wall clock, which would then look like a jump ahead.
            state.anchor = ((anchor + passed / 2).max(shown), monotonic);
            state.ahead = None;
            state.steady_since = monotonic;
        }

        let (anchor, at) = state.anchor;
        state.last = state.last.max(anchor + span(monotonic.saturating_sub(at)));
        let is_behind = self.newest.is_some_and(|newest| wall < newest);
        if let Some(newest) = self.newest.filter(|_| is_behind) {
            state.steady_since = monotonic;
            doubt = doubt.or(Some(ClockDoubt::Behind { wall, newest }));
        }
        let confirmation = CONFIRM_START.min(self.window);
        if doubt.is_none() && monotonic.saturating_sub(state.steady_since) >= confirmation {
            state.certain = (state.last, monotonic);
        }
        (timestamp(state.last), doubt)
    }

    fn state(&self) -> MutexGuard<'_, ClockState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn nanos(at: Timestamp) -> i128 {
    i128::from(at.unix_seconds()) * NANOS_PER_SECOND + i128::from(at.subsec_nanos())
}

fn span(duration: Duration) -> i128 {
    i128::try_from(duration.as_nanos()).unwrap_or(i128::MAX / 4)
}

/// The time of a number of nanoseconds since 1970, within what revisions can hold.
fn timestamp(nanos: i128) -> Timestamp {
    Revision(u64::try_from(nanos.clamp(0, i128::from(i64::MAX))).unwrap_or_default()).time()
}

#[expect(clippy::disallowed_methods, reason = "the server is where time comes from")]
pub(super) fn since_epoch() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[expect(clippy::expect_used, reason = "a server whose clock shows the year 10000 cannot continue")]
pub(super) fn system_now() -> Timestamp {
    let since = since_epoch();
    let seconds = i64::try_from(since.as_secs()).unwrap_or(i64::MAX);
    let now = Timestamp::from_unix(seconds, since.subsec_nanos());
    now.expect("the clock shows a year before 10000")
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicI64, Ordering};

    const WINDOW: Duration = Duration::from_hours(24);
    const HOUR: i64 = 3600;
    const DAY: i64 = 24 * HOUR;
    const START: i64 = 1_900_000_000;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_unix(seconds, 0).unwrap()
    }

    /// A clock that starts at [`START`], and what its two sources show, in seconds.
    struct ClockFixture {
        wall: Arc<AtomicI64>,
        monotonic: Arc<AtomicI64>,
        source: TimeSource,
    }

    impl ClockFixture {
        fn new() -> Self {
            let (wall, monotonic) = (Arc::new(AtomicI64::new(START)), Arc::<AtomicI64>::default());
            let (shown, passed) = (Arc::clone(&wall), Arc::clone(&monotonic));
            let source = TimeSource::new(
                move || at(shown.load(Ordering::SeqCst)),
                move || Duration::from_secs(passed.load(Ordering::SeqCst).unsigned_abs()),
            );
            Self { wall, monotonic, source }
        }

        /// A clock on a store that was last in use so many seconds before.
        fn clock(&self, gap: i64) -> Result<GuardedClock, ClockAhead> {
            let last_use = LastUse { newest_revision: Some(at(START - gap)), collected_at: None };
            let ahead_max = Duration::from_hours(168);
            GuardedClock::start(self.source.clone(), last_use, WINDOW, (ahead_max, false))
        }

        fn pass(&self, seconds: i64) {
            self.wall.fetch_add(seconds, Ordering::SeqCst);
            self.monotonic.fetch_add(seconds, Ordering::SeqCst);
        }

        fn jump(&self, seconds: i64) {
            self.wall.fetch_add(seconds, Ordering::SeqCst);
        }
    }

    #[test]
    fn a_jump_ahead_and_back_leaves_no_trace() {
        let trial = ClockFixture::new();
        let clock = trial.clock(10).unwrap();
        trial.pass(60);
        assert_eq!((clock.now(), clock.collectable()), (at(START + 60), Some(at(START + 60))));
        trial.jump(600);
        trial.pass(60);
        assert_eq!((clock.now(), clock.collectable()), (at(START + 120), None));
        assert!(matches!(clock.doubt(), Some(ClockDoubt::Jumped { .. })));
        trial.jump(-600);
        trial.pass(60);
        assert_eq!((clock.now(), clock.doubt()), (at(START + 180), None));
        assert_eq!(clock.collectable(), Some(at(START + 180)));
    }

    #[test]
    fn a_jump_that_stays_is_followed_but_only_so_far_as_a_start_would_be() {
        for (jump, followed) in [(3 * HOUR, true), (30 * DAY, false)] {
            let trial = ClockFixture::new();
            let clock = trial.clock(10).unwrap();
            trial.jump(jump);
            clock.now();
            trial.pass(HOUR);
            let expected = START + HOUR + if followed { jump } else { 0 };
            assert_eq!(clock.now(), at(expected));
            assert_eq!(clock.doubt().is_none(), followed);
            // Only so much has certainly passed, whatever is shown.
            let collectable = clock.collectable();
            assert!(collectable.is_none_or(|at| at <= self::at(START + HOUR + DAY)));
        }
    }

    #[test]
    fn readings_never_go_back_or_stand_still() {
        let trial = ClockFixture::new();
        let clock = trial.clock(10).unwrap();
        trial.jump(-600);
        clock.now();
        let mut last = clock.now();
        for _ in 0..30 {
            trial.pass(60);
            let now = clock.now();
            assert!(now > last, "{now} after {last}");
            last = now;
        }
        assert_eq!((clock.now(), clock.doubt()), (at(START - 600 + 1800), None));
    }

    #[test]
    fn only_what_has_certainly_passed_is_collected() {
        let trial = ClockFixture::new();
        // Within the history, a whole weekend, and two of them.
        assert_eq!(trial.clock(DAY).unwrap().collectable(), Some(at(START)));
        let clock = trial.clock(3 * DAY).unwrap();
        assert_eq!(clock.collectable(), Some(at(START - 2 * DAY)));
        trial.pass(7 * HOUR);
        assert_eq!(clock.doubt(), None);
        assert_eq!(clock.collectable(), Some(at(START + 7 * HOUR)));

        let refused = ClockFixture::new().clock(9 * DAY).unwrap_err();
        assert_eq!(refused, ClockAhead { wall: at(START), last_use: at(START - 9 * DAY) });
        assert!(refused.to_string().contains("--accept-clock"), "{refused}");
    }

    #[test]
    fn a_store_of_the_future_is_started_from_or_doubted() {
        let trial = ClockFixture::new();
        let clock = trial.clock(-600).unwrap();
        assert_eq!(clock.now(), at(START + 600));
        for _ in 0..20 {
            trial.pass(61);
            clock.now();
        }
        assert_eq!((clock.now(), clock.doubt()), (at(START + 20 * 61), None));

        let clock = ClockFixture::new().clock(-30 * DAY).unwrap();
        assert_eq!((clock.now(), clock.collectable()), (at(START), None));
        assert!(matches!(clock.doubt(), Some(ClockDoubt::Behind { .. })));
    }
}
