//! Revisions: the moments of the store's history.

use super::timestamp::Timestamp;
use std::fmt;

/// A moment in the history of relationships and schema, totally ordered.
///
/// The number is at least the nanoseconds since the Unix epoch at which it was made, and always greater
/// than every revision made before it, whatever the clock does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// The time that the number stands for; numbers beyond the year 2262 stand for that.
    pub fn time(self) -> Timestamp {
        Timestamp::from_nanos(i64::try_from(self.0).unwrap_or(i64::MAX))
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
