//! The wall clock, and the clock that measures how long a command takes.

use crate::relationship::Timestamp;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The present time. A clock that is off by thousands of years counts as the start of 1970.
pub(super) fn now() -> Timestamp {
    timestamp(system_time()).unwrap_or_else(epoch)
}

/// The time `duration` before now; `None` if it is before 1970.
pub(super) fn before(duration: Duration) -> Option<Timestamp> {
    timestamp(system_time().checked_sub(duration)?)
}

/// The time `duration` after now; `None` if it is after the year 9999.
pub(super) fn after(duration: Duration) -> Option<Timestamp> {
    timestamp(system_time().checked_add(duration)?)
}

/// The reading of a clock that never jumps, to measure durations with.
#[expect(clippy::disallowed_methods, reason = "the command line is an edge and reads the clock")]
pub(super) fn monotonic() -> Instant {
    Instant::now()
}

#[expect(clippy::disallowed_methods, reason = "the command line is an edge and reads the clock")]
fn system_time() -> SystemTime {
    SystemTime::now()
}

fn timestamp(time: SystemTime) -> Option<Timestamp> {
    let since_epoch = time.duration_since(UNIX_EPOCH).ok()?;
    let seconds = i64::try_from(since_epoch.as_secs()).ok()?;
    Timestamp::from_unix(seconds, since_epoch.subsec_nanos()).ok()
}

#[expect(clippy::expect_used, reason = "the start of 1970 is a point in time")]
fn epoch() -> Timestamp {
    Timestamp::from_unix(0, 0).expect("the start of 1970 is within the years 1 to 9999")
}
