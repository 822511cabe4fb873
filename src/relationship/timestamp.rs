//! Points in time, as expirations use them.

use chrono::{DateTime, SecondsFormat, Utc};
use std::fmt;

/// A point in time in UTC with nanoseconds, within the years 1 to 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(DateTime<Utc>);

/// A text or number that is no point in time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a point in time: write it like `2030-01-02T03:04:05Z`")]
pub struct TimestampError(String);

impl Timestamp {
    /// The point `seconds` and `nanos` after the start of 1970.
    pub fn from_unix(seconds: i64, nanos: u32) -> Result<Self, TimestampError> {
        DateTime::from_timestamp(seconds, nanos)
            .filter(|at| (1..=9999).contains(&chrono::Datelike::year(at)))
            .map(Self)
            .ok_or_else(|| TimestampError(format!("{seconds}s {nanos}ns")))
    }

    /// The point so many nanoseconds after the start of 1970.
    pub(super) fn from_nanos(nanos: i64) -> Self {
        Self(DateTime::from_timestamp_nanos(nanos))
    }

    /// The point that an RFC 3339 text names.
    pub fn parse(text: &str) -> Result<Self, TimestampError> {
        let at = DateTime::parse_from_rfc3339(text).map_err(|_| TimestampError(text.to_owned()))?;
        Self::from_unix(at.timestamp(), at.timestamp_subsec_nanos())
    }

    /// Whole seconds since the start of 1970, negative before.
    pub fn unix_seconds(&self) -> i64 {
        self.0.timestamp()
    }

    /// Nanoseconds after [`Self::unix_seconds`], below 10^9.
    pub fn subsec_nanos(&self) -> u32 {
        self.0.timestamp_subsec_nanos().min(999_999_999)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}
