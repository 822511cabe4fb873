//! The time of day, for what has to know what has expired.

use crate::relationship::Timestamp;
use std::time::{SystemTime, UNIX_EPOCH};

/// The present moment.
#[expect(clippy::disallowed_methods, reason = "the command line is an edge and reads the clock")]
pub(super) fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or_default();
    Timestamp::from_unix(seconds, since_epoch.subsec_nanos()).unwrap_or_else(|_| epoch())
}

/// What stands for a clock that is off by thousands of years.
#[expect(clippy::expect_used, reason = "the start of 1970 is a point in time")]
fn epoch() -> Timestamp {
    Timestamp::from_unix(0, 0).expect("the start of 1970 is within the years 1 to 9999")
}
