//! Permission queries: evaluation over a [`Schema`](crate::schema::Schema) and a
//! [`RelationshipReader`](crate::relationship::RelationshipReader).
//!
//! An [`Engine`] holds both in memory, for programs that embed it. [`check`] decides whether a subject has a permission on a resource. The result has three values, because a caveat may
//! lack context. A [`ResourceLookup`] runs the other way: from the subject to the resources. A [`SubjectLookup`] lists the
//! subjects that have a permission, and [`expand`] returns the tree of the permission's expression. The engine reads no
//! clock, touches no disk and starts no thread; [`Limits`] bound the work of each query.

mod cache;
mod check;
mod embedded;
mod error;
mod eval_context;
mod expand;
mod limits;
mod lookup_resources;
mod lookup_subjects;
mod object_and_relation;
mod resolve;
mod trace;
mod truth;

pub use cache::{Cache, CacheAt, CacheStatistics};
pub use check::query::{CheckQuery, CheckResult};
pub use check::{check, check_each, check_until};
pub use embedded::Engine;
pub use error::{EngineError, WorkKind};
pub use eval_context::{EvalContext, check_interruption};
pub use expand::{ExpandResult, ExpandTree, ExpandTreeKind, SetOperation, expand};
pub use limits::{Limits, Statistics, Stopwatch};
pub use lookup_resources::{
    FoundResource, LookupPage, LookupResourcesQuery, ResourceFilter, ResourceLookup,
};
pub use lookup_subjects::components::{Component, GraphEdge, components};
pub use lookup_subjects::{ExcludedSubject, FoundSubject, LookupSubjectsQuery, SubjectLookup};
pub use trace::condition::Condition;
pub use trace::tracer::TraceBudget;
pub use trace::{CaveatTrace, Trace};
