//! Read points, and how long a result that was read at one may be cached.

use super::revision::Revision;
use super::timestamp::Timestamp;

/// The state that a read sees: a revision, without the relationships that have expired by a time.
///
/// A cached result belongs to its read point: the revision alone does not say which relationships had expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPoint {
    /// The revision.
    pub revision: Revision,
    /// The time at which relationships count as expired or not.
    pub time: Timestamp,
}

impl ReadPoint {
    /// The read point of a revision at a time.
    pub fn new(revision: Revision, time: Timestamp) -> Self {
        Self { revision, time }
    }

    /// The read points at which a result of this one stays valid. `until` is the first expiration of the relationships on
    /// which it depends.
    pub fn valid_until(self, until: Option<Timestamp>) -> Validity {
        Validity { since: self, until }
    }
}

/// The read points at which a result is valid: those of the same revision, from the time of the read up to the first
/// expiration that matters. Earlier times are excluded, because the read did not see what had expired by its own time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    since: ReadPoint,
    until: Option<Timestamp>,
}

impl Validity {
    /// Whether the result is valid at a read point.
    pub fn covers(&self, point: ReadPoint) -> bool {
        self.since.revision == point.revision
            && self.since.time <= point.time
            && self.until.is_none_or(|until| point.time < until)
    }

    /// The first expiration that matters.
    pub fn until(&self) -> Option<Timestamp> {
        self.until
    }
}
