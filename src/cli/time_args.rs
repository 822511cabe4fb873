//! Points in time as people write them: `5m`, `2026-11-24`, `2026-11-24 14:05`, `2026-11-24T14:05:00Z`.

use super::{clock, duration};
use crate::relationship::Timestamp;
use std::time::Duration;

/// Reads a time in the past. A duration is counted back from now.
pub(super) fn parse_past(text: &str) -> Result<Timestamp, String> {
    parse(text, clock::before)
}

/// Reads a time in the future. A duration is counted from now.
pub(super) fn parse_future(text: &str) -> Result<Timestamp, String> {
    parse(text, clock::after)
}

fn parse(
    text: &str,
    relative: impl FnOnce(Duration) -> Option<Timestamp>,
) -> Result<Timestamp, String> {
    let invalid = || {
        format!(
            "`{text}` is not a point in time: write `2026-11-24`, `2026-11-24T14:05:00Z`, or a duration such as `5m` or \
             `30d`"
        )
    };
    if let Ok(duration) = duration::parse(text) {
        return relative(duration).ok_or_else(invalid);
    }
    Timestamp::parse(&completed(text)).map_err(|_| invalid())
}

/// The time in the form of RFC 3339: midnight where only a date is given, whole minutes, UTC where no offset is given.
fn completed(text: &str) -> String {
    let (date, time) = text.split_once(['T', 't', ' ']).unwrap_or((text, "00:00"));
    let (clock, offset) = match time.find(['Z', 'z', '+', '-']) {
        Some(at) => time.split_at(at),
        None => (time, "Z"),
    };
    let seconds = if clock.matches(':').count() == 1 { ":00" } else { "" };
    format!("{date}T{clock}{seconds}{offset}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_and_times_may_leave_out_what_is_obvious() {
        for (text, time) in [
            ("2026-11-24", "2026-11-24T00:00:00Z"),
            ("2026-11-24 14:05", "2026-11-24T14:05:00Z"),
            ("2026-11-24T14:05", "2026-11-24T14:05:00Z"),
            ("2026-11-24T14:05Z", "2026-11-24T14:05:00Z"),
            ("2026-11-24 14:05:06.5", "2026-11-24T14:05:06.500Z"),
            ("2026-11-24T14:05:06+02:00", "2026-11-24T12:05:06Z"),
            ("2026-11-24T14:05-03:30", "2026-11-24T17:35:00Z"),
        ] {
            assert_eq!(parse_past(text).map(|time| time.to_string()), Ok(time.to_owned()));
        }
        for text in
            ["", "soon", "2026-11", "2026-11-31", "14:05", "2026-11-24T", "2026-11-24 25:00", "-5m"]
        {
            assert!(parse_future(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_count_from_now() {
        let (past, now, future) = (parse_past("5m"), clock::now(), parse_future("30d"));
        let (past, future) = (past.unwrap_or(now), future.unwrap_or(now));
        let ago = now.unix_seconds() - past.unix_seconds();
        let ahead = future.unix_seconds() - now.unix_seconds();
        assert!((300..310).contains(&ago), "{ago}");
        assert!((2_592_000..2_592_010).contains(&ahead), "{ahead}");
    }
}
