//! Revisions: points in the history of a store.

use super::timestamp::Timestamp;
use std::fmt;

/// A point in the history of relationships and schema, totally ordered.
///
/// The number is at least the time of the write in nanoseconds since the Unix epoch, and always greater than every earlier
/// revision, whatever the clock does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// The time of the number; numbers after the year 2262 count as that year.
    pub fn time(self) -> Timestamp {
        Timestamp::from_nanos(i64::try_from(self.0).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
