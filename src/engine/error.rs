//! Why a question has no answer.

use crate::caveat::CaveatError;
use crate::relationship::ReadError;
use std::fmt;
use std::time::Duration;

/// Why a question has no answer. None of these is ever a "no".
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A type that the schema does not define.
    #[error("object definition `{name}` not found")]
    UnknownDefinition {
        /// The type as asked for.
        name: String,
    },
    /// A relation or permission that the definition does not have.
    #[error("relation/permission `{name}` not found under definition `{definition}`")]
    UnknownRelation {
        /// The definition.
        definition: String,
        /// The name as asked for.
        name: String,
    },
    /// A relationship carries a caveat that the schema does not define.
    #[error("caveat with name `{name}` not found")]
    UnknownCaveat {
        /// The caveat's name.
        name: String,
    },
    /// The subject is a wildcard; only a single object or a userset can be asked about.
    #[error("cannot perform check on wildcard subject")]
    WildcardSubject,
    /// The subject of a lookup is a wildcard.
    #[error("cannot perform lookup resources on wildcard")]
    WildcardLookup,
    /// The way to the answer is longer than was allowed.
    #[error(
        "max depth exceeded: the answer lies more than {depth_max} steps away, which usually means a recursive or too deep data dependency"
    )]
    DepthExceeded {
        /// The allowed number of steps.
        depth_max: u32,
    },
    /// The way to a result of a lookup is longer than was allowed, and was to be told.
    #[error("{}", Self::DepthExceeded { depth_max: *depth_max })]
    WayTooLong {
        /// The allowed number of steps.
        depth_max: u32,
        /// The way from the subject on, in relations and permissions, such as `group:eng#member`; not more than some.
        way: Vec<String>,
    },
    /// The question costs more than was allowed.
    #[error("the question needs more than {limit} {work}, which is the limit for one request")]
    WorkExceeded {
        /// What there was too much of.
        work: WorkKind,
        /// The allowed number.
        limit: u64,
    },
    /// The question takes longer than was allowed.
    #[error("operation took longer than allowed {time_max:?} to complete")]
    TimeExceeded {
        /// The allowed time.
        time_max: Duration,
    },
    /// All lookups together need more memory than there is for them.
    #[error("there is no memory left for the lookup beside those that are under way")]
    NoRoom,
    /// The caller has gone or its deadline has passed.
    #[error("the request ended before its answer was found")]
    Interrupted,
    /// A permission subtracts something that depends on the permission itself, so that no answer makes sense.
    #[error("the relationships form a cycle through an exclusion, which has no meaning: {}", .cycle.join(" -> "))]
    CyclicExclusion {
        /// The relations and permissions on the cycle, such as `document:plan#view`.
        cycle: Vec<String>,
    },
    /// What is expanded contains itself, so that its tree has no end.
    #[error("the tree has no end, for it comes back to where it has been: {}", .cycle.join(" -> "))]
    EndlessTree {
        /// The relations and permissions on the cycle, such as `folder:a#view`.
        cycle: Vec<String>,
    },
    /// A caveat that decides the answer failed.
    #[error(transparent)]
    Caveat(#[from] CaveatError),
    /// A relationship could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl EngineError {
    /// Whether it ends everything that was asked with the question: the time is up, or nobody waits any more.
    pub fn is_end_of_request(&self) -> bool {
        matches!(self, Self::TimeExceeded { .. } | Self::Interrupted)
    }
}

/// What the work of a question is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkKind {
    /// Relations and permissions of objects that were looked into.
    Visits,
    /// Calls to the reader.
    Reads,
    /// Steps in the expressions of caveats.
    CaveatSteps,
    /// Subjects that have to be in memory together.
    Subjects,
    /// Memory of a lookup.
    LookupBytes,
}

impl fmt::Display for WorkKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Visits => "visits of relations and permissions",
            Self::Reads => "reads",
            Self::CaveatSteps => "steps in caveats",
            Self::Subjects => "subjects in memory at once",
            Self::LookupBytes => "bytes for the objects on the way to its results",
        })
    }
}
