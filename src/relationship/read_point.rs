//! What a read sees, and how long what it found may be remembered.

use super::revision::Revision;
use super::timestamp::Timestamp;

/// What a read sees: a revision, without the relationships that have expired by a time.
///
/// Whatever is remembered of a read is remembered for its read point: the revision alone does not say which relationships
/// had expired.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadPoint {
    /// The revision.
    pub revision: Revision,
    /// The time for which relationships count as expired or not.
    pub time: Timestamp,
}

impl ReadPoint {
    /// The read point of a revision at a time.
    pub fn new(revision: Revision, time: Timestamp) -> Self {
        Self { revision, time }
    }

    /// The read points at which something holds that was found here, and that rests on relationships of which the first one
    /// expires at `until`.
    pub fn valid_until(self, until: Option<Timestamp>) -> Validity {
        Validity { since: self, until }
    }
}

/// The read points at which something holds that was found at the first of them: those of the same revision up to the first
/// expiration that matters. Earlier times are none of them, because what had expired by then was not seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    since: ReadPoint,
    until: Option<Timestamp>,
}

impl Validity {
    /// Whether it holds at a read point.
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
