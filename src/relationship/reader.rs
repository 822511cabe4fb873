//! The seam between evaluation and storage.

use super::timestamp::Timestamp;
use super::update::ContextualizedCaveat;
use std::fmt;
use std::time::Duration;

/// The resource side of a relationship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ResourceKey<'a> {
    /// The resource's type.
    pub object_type: &'a str,
    /// The resource's id.
    pub object_id: &'a str,
    /// The relation.
    pub relation: &'a str,
}

/// The subject side of a relationship.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectKey<'a> {
    /// The subject's type.
    pub object_type: &'a str,
    /// The subject's id; `*` for a wildcard.
    pub object_id: &'a str,
    /// The relation of a userset; `None` for objects and wildcards.
    pub relation: Option<&'a str>,
}

/// The kind of subjects that a read wants: `user`, or `group#member`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SubjectForm<'a> {
    /// The subjects' type.
    pub object_type: &'a str,
    /// The usersets' relation; `None` for objects and wildcards.
    pub relation: Option<&'a str>,
}

/// A relation of a type: `document#viewer`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RelationKey<'a> {
    /// The resources' type.
    pub object_type: &'a str,
    /// The relation.
    pub relation: &'a str,
}

/// What a relationship carries beside its key.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    /// The condition under which it holds.
    pub caveat: Option<ContextualizedCaveat>,
    /// The time from which it no longer holds.
    pub expires_at: Option<Timestamp>,
}

/// Which part of a list of ids a read wants.
#[derive(Clone, Copy, Debug)]
pub struct Page<'a> {
    /// Only ids after this one, in byte order.
    pub after: Option<&'a str>,
    /// At most so many.
    pub count_max: usize,
}

/// A read that failed. Never an answer: a relationship that could not be read is not a relationship that is absent.
#[derive(Debug, thiserror::Error)]
#[error("relationships cannot be read: {reason}")]
pub struct ReadError {
    /// What went wrong, for the operator.
    pub reason: String,
    kind: Kind,
}

/// What kind of failure a failed read is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Failed,
    NotInMemory,
    Interrupted,
    TimedOut(Duration),
    Exhausted,
}

impl ReadError {
    /// A failure for this reason.
    pub fn new(reason: impl fmt::Display) -> Self {
        Self::of_kind(Kind::Failed, reason)
    }

    /// The reader was told not to wait for a disk, and would have had to.
    pub fn not_in_memory() -> Self {
        Self::of_kind(Kind::NotInMemory, "not in memory")
    }

    /// The read was given up because its caller no longer waits.
    pub fn interrupted() -> Self {
        Self::of_kind(Kind::Interrupted, "the caller no longer waits")
    }

    /// The read was given up because it took longer than allowed.
    pub fn timed_out(time_max: Duration) -> Self {
        Self::of_kind(Kind::TimedOut(time_max), format!("it took longer than {time_max:?}"))
    }

    /// The system lacks what the work needs, such as space on a disk.
    pub fn exhausted(reason: impl fmt::Display) -> Self {
        Self::of_kind(Kind::Exhausted, reason)
    }

    fn of_kind(kind: Kind, reason: impl fmt::Display) -> Self {
        Self { reason: reason.to_string(), kind }
    }

    /// Whether the same read may succeed where it is allowed to wait for a disk.
    pub fn is_not_in_memory(&self) -> bool {
        self.kind == Kind::NotInMemory
    }

    /// Whether the read was given up because its caller no longer waits.
    pub fn is_interrupted(&self) -> bool {
        self.kind == Kind::Interrupted
    }

    /// Whether the system lacks what the work needs.
    pub fn is_exhausted(&self) -> bool {
        self.kind == Kind::Exhausted
    }

    /// The allowed time, when the read was given up because it took longer.
    pub fn timed_out_after(&self) -> Option<Duration> {
        match self.kind {
            Kind::TimedOut(time_max) => Some(time_max),
            Kind::Failed | Kind::NotInMemory | Kind::Interrupted | Kind::Exhausted => None,
        }
    }
}

/// Relationships at one moment. What has expired by that moment is not there.
///
/// Every call costs what it returns, not what is stored.
pub trait RelationshipReader {
    /// The terms of the relationship with exactly this key, when there is one.
    fn find(
        &self,
        resource: ResourceKey<'_>,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Terms>, ReadError>;

    /// The ids of the subjects of one form that stand in the relation, in byte order, each with its terms.
    /// A wildcard is the id `*` of the form without a relation.
    fn subjects(
        &self,
        resource: ResourceKey<'_>,
        form: SubjectForm<'_>,
        page: Page<'_>,
    ) -> Result<Vec<(String, Terms)>, ReadError>;

    /// The ids of the resources on which exactly this subject stands in the relation, in byte order, each with its
    /// terms.
    fn resources(
        &self,
        relation: RelationKey<'_>,
        subject: SubjectKey<'_>,
        page: Page<'_>,
    ) -> Result<Vec<(String, Terms)>, ReadError>;
}
