//! Times as revisions, and times ago.

use crate::relationship::{Revision, Timestamp};
use std::time::Duration;

const NANOS_PER_SECOND: i128 = 1_000_000_000;

/// The smallest revision that can be made at a time: its nanoseconds since 1970, 0 before. Times after the year 2262
/// count as that year, which leaves enough numbers for later revisions.
pub(super) fn revision_of(at: Timestamp) -> Revision {
    let nanos = nanos(at).clamp(0, i128::from(i64::MAX));
    Revision(u64::try_from(nanos).unwrap_or_default())
}

/// The time that lies `ago` before another; `None` before the year 1.
pub(super) fn before(at: Timestamp, ago: Duration) -> Option<Timestamp> {
    let nanos = nanos(at).checked_sub(i128::try_from(ago.as_nanos()).ok()?)?;
    let seconds = i64::try_from(nanos.div_euclid(NANOS_PER_SECOND)).ok()?;
    let rest = u32::try_from(nanos.rem_euclid(NANOS_PER_SECOND)).ok()?;
    Timestamp::from_unix(seconds, rest).ok()
}

fn nanos(at: Timestamp) -> i128 {
    i128::from(at.unix_seconds()) * NANOS_PER_SECOND + i128::from(at.subsec_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_is_its_time_in_nanoseconds() {
        let revision = |text| revision_of(Timestamp::parse(text).unwrap()).0;
        assert_eq!(revision("1970-01-01T00:00:01.000000002Z"), 1_000_000_002);
        assert_eq!(revision("1900-01-01T00:00:00Z"), 0);
        assert_eq!(revision("9999-01-01T00:00:00Z"), i64::MAX.unsigned_abs());
        for number in [0, 1_000_000_002, i64::MAX.unsigned_abs()] {
            assert_eq!(revision_of(Revision(number).time()), Revision(number));
        }
        assert_eq!(Revision(u64::MAX).time(), Revision(i64::MAX.unsigned_abs()).time());
    }

    #[test]
    fn times_ago_may_lie_before_1970_and_end_with_the_calendar() {
        let at = Timestamp::parse("1970-01-01T00:00:00.25Z").unwrap();
        let half = before(at, Duration::from_millis(500)).unwrap();
        assert_eq!(half.to_string(), "1969-12-31T23:59:59.750Z");
        assert_eq!(before(at, Duration::from_hours(24 * 366 * 2000)), None);
        assert_eq!(before(at, Duration::MAX), None);
    }
}
