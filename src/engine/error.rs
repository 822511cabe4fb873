//! The errors of a query.

use crate::caveat::CaveatError;
use crate::relationship::ReadError;
use std::fmt;
use std::time::Duration;

/// The reasons why a query has no result. An error is never a "no".
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A type that the schema does not define.
    #[error("object definition `{name}` not found")]
    UnknownDefinition {
        /// The requested type.
        name: String,
    },
    /// A relation or permission that the definition does not have.
    #[error("relation/permission `{name}` not found under definition `{definition}`")]
    UnknownRelation {
        /// The definition.
        definition: String,
        /// The requested name.
        name: String,
    },
    /// A relationship carries a caveat that the schema does not define.
    #[error("caveat with name `{name}` not found")]
    UnknownCaveat {
        /// The caveat's name.
        name: String,
    },
    /// The subject is a wildcard; a check needs an object or a userset.
    #[error("cannot perform check on wildcard subject")]
    WildcardSubject,
    /// The subject of a lookup is a wildcard.
    #[error("cannot perform lookup resources on wildcard")]
    WildcardLookup,
    /// The path to the result is longer than allowed.
    #[error(
        "max depth exceeded: the answer lies more than {depth_max} steps away, which usually means a recursive or too deep data dependency"
    )]
    DepthExceeded {
        /// The allowed number of steps.
        depth_max: u32,
    },
    /// The path to a result of a lookup is longer than allowed; with the path, because tracing is enabled.
    #[error("{}", Self::DepthExceeded { depth_max: *depth_max })]
    PathTooLong {
        /// The allowed number of steps.
        depth_max: u32,
        /// The start of the path, beginning at the subject: relations and permissions such as `group:eng#member`.
        path: Vec<String>,
    },
    /// The query needs more work than allowed.
    #[error("the query needs more than {limit} {work}, which is the limit for one request")]
    WorkExceeded {
        /// The kind of work that exceeded its limit.
        work: WorkKind,
        /// The allowed number.
        limit: u64,
    },
    /// The query takes longer than allowed.
    #[error("operation took longer than allowed {time_max:?} to complete")]
    TimeExceeded {
        /// The allowed time.
        time_max: Duration,
    },
    /// The lookups in progress use all the memory reserved for lookups.
    #[error("the memory for lookups is used up by other lookups in progress; retry later")]
    NoRoom,
    /// The caller has disconnected, or its deadline has passed.
    #[error("the request was canceled before its result was computed")]
    Interrupted,
    /// A permission subtracts something that depends on the permission itself, so that it has no defined result.
    #[error("the relationships form a cycle through an exclusion, which has no defined result: {}", .cycle.join(" -> "))]
    CyclicExclusion {
        /// The relations and permissions on the cycle, such as `document:plan#view`.
        cycle: Vec<String>,
    },
    /// The expanded permission contains itself, so that its tree is infinite.
    #[error("the tree is infinite, because the relationships form a cycle: {}", .cycle.join(" -> "))]
    EndlessTree {
        /// The relations and permissions on the cycle, such as `folder:a#view`.
        cycle: Vec<String>,
    },
    /// A caveat that decides the result failed.
    #[error(transparent)]
    Caveat(#[from] CaveatError),
    /// A relationship could not be read.
    #[error(transparent)]
    Read(ReadError),
}

impl From<ReadError> for EngineError {
    /// A read that was cancelled is no failure of the store: the query ends as if it had noticed by itself.
    fn from(error: ReadError) -> Self {
        if error.is_interrupted() {
            return Self::Interrupted;
        }
        match error.timed_out_after() {
            Some(time_max) => Self::TimeExceeded { time_max },
            None => Self::Read(error),
        }
    }
}

impl EngineError {
    /// Whether a limit on the work of a query was reached: depth, visits, reads, steps, subjects, memory or time.
    pub fn is_limit(&self) -> bool {
        matches!(
            self,
            Self::DepthExceeded { .. }
                | Self::PathTooLong { .. }
                | Self::WorkExceeded { .. }
                | Self::TimeExceeded { .. }
                | Self::NoRoom
                | Self::Caveat(CaveatError::Exhausted { .. })
        )
    }

    /// Whether the error ends the whole request: its time is up, or its caller has disconnected.
    pub fn is_end_of_request(&self) -> bool {
        matches!(self, Self::TimeExceeded { .. } | Self::Interrupted)
    }
}

/// The kinds of work that are limited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// Visited relations and permissions of objects.
    Visits,
    /// Calls to the relationship reader.
    Reads,
    /// Evaluation steps in caveat expressions.
    CaveatSteps,
    /// Subjects held in memory at once.
    Subjects,
    /// Memory of a lookup, in bytes.
    LookupBytes,
}

impl fmt::Display for WorkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Visits => "visits of relations and permissions",
            Self::Reads => "reads",
            Self::CaveatSteps => "steps in caveats",
            Self::Subjects => "subjects in memory at once",
            Self::LookupBytes => "bytes of memory for its intermediate objects",
        })
    }
}
