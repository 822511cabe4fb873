//! Points in time.

use chrono::{DateTime, Datelike as _, SecondsFormat, Utc};
use std::fmt;
use std::time::Duration;

/// The most nanoseconds within a second.
const NANOS_MAX: u32 = 999_999_999;

/// A point in time in UTC with nanoseconds, within the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

/// A text or number that is not a point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimestampError {
    /// The text has another form.
    #[error("`{0}` is not a point in time: write it like `2030-01-02T03:04:05Z`")]
    Syntax(String),
    /// The time is too early or too late.
    #[error("`{0}` is not a point in time between the years 1 and 9999 (UTC)")]
    OutOfRange(String),
}

impl Timestamp {
    /// The point `seconds` and `nanos` after the start of 1970.
    pub fn from_unix(seconds: i64, nanos: u32) -> Result<Self, TimestampError> {
        Self::within_range(seconds, nanos)
            .ok_or_else(|| TimestampError::OutOfRange(format!("{seconds}s {nanos}ns")))
    }

    /// The point so many nanoseconds after the start of 1970.
    pub(super) fn from_nanos(nanos: i64) -> Self {
        Self(DateTime::from_timestamp_nanos(nanos))
    }

    /// The point that an RFC 3339 text names.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let at = DateTime::parse_from_rfc3339(text)
            .map_err(|_| TimestampError::Syntax(text.to_owned()))?;
        // A leap second counts as the last nanosecond before the next minute.
        let nanos = at.timestamp_subsec_nanos().min(NANOS_MAX);
        Self::within_range(at.timestamp(), nanos)
            .ok_or_else(|| TimestampError::OutOfRange(text.to_owned()))
    }

    /// The years are bounded so that every time has a text in RFC 3339, whose years have four digits.
    fn within_range(seconds: i64, nanos: u32) -> Option<Self> {
        DateTime::from_timestamp(seconds, nanos)
            .filter(|at| nanos <= NANOS_MAX && (1..=9999).contains(&at.year()))
            .map(Self)
    }

    /// Whole seconds since the start of 1970, negative before.
    pub fn unix_seconds(&self) -> i64 {
        self.0.timestamp()
    }

    /// The time from an earlier point to this one; nothing from a later one.
    pub fn since(self, earlier: Self) -> Duration {
        (self.0 - earlier.0).to_std().unwrap_or_default()
    }

    /// Nanoseconds after [`Self::unix_seconds`], below 10^9.
    pub fn subsec_nanos(&self) -> u32 {
        self.0.timestamp_subsec_nanos()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_outside_of_the_years_1_to_9999_are_refused_with_their_range() {
        for text in ["9999-12-31T23:59:59.999999999Z", "0001-01-01T00:00:00Z"] {
            assert_eq!(Timestamp::parse(text).unwrap().to_string(), text);
        }

        for text in ["9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01"] {
            let error = Timestamp::parse(text).unwrap_err();
            assert_eq!(error, TimestampError::OutOfRange(text.to_owned()));
            assert!(error.to_string().contains("between the years 1 and 9999"), "{error}");
        }
        for text in ["+10000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", "soon"] {
            let error = Timestamp::parse(text).unwrap_err();
            assert_eq!(error, TimestampError::Syntax(text.to_owned()));
        }
        for seconds in [253_402_300_800, -62_135_596_801, i64::MAX, i64::MIN] {
            let error = Timestamp::from_unix(seconds, 0).unwrap_err();
            assert!(matches!(error, TimestampError::OutOfRange(_)), "{error}");
        }
    }

    #[test]
    fn a_leap_second_is_the_last_nanosecond_of_its_minute() {
        let leap = Timestamp::parse("2016-12-31T23:59:60.5Z").unwrap();
        assert_eq!(leap.to_string(), "2016-12-31T23:59:59.999999999Z");
        assert_eq!(Timestamp::from_unix(leap.unix_seconds(), leap.subsec_nanos()), Ok(leap));
        Timestamp::from_unix(leap.unix_seconds(), 1_500_000_000).unwrap_err();
    }
}
