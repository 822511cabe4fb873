//! The clocks of the generator, which is an edge: it measures.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// The reading of a clock that never jumps.
#[expect(clippy::disallowed_methods, reason = "latencies are what is measured")]
pub(super) fn now() -> Instant {
    Instant::now()
}

/// Microseconds since 1970: what makes the ids of one run differ from those of another.
#[expect(clippy::disallowed_methods, reason = "a number that no other run has")]
pub(super) fn unix_micros() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_micros()).unwrap_or_default()
}
