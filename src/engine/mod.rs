//! The questions: pure walks over a [`Schema`](crate::schema::Schema) and a
//! [`RelationshipReader`](crate::relationship::RelationshipReader).
//!
//! [`check`] answers whether a subject is in a relation or permission of a resource. An answer has three values, for a
//! caveat may lack context. A [`ResourceLookup`] goes the other way: from the subject to the resources. Nothing here reads a clock, touches a disk or starts a thread, and the work of one question
//! is bounded by [`Limits`].

mod cache;
mod check;
mod components;
mod condition;
mod error;
mod expand;
mod finding;
mod frames;
mod lookup_resources;
mod lookup_subjects;
mod memo;
mod question;
mod reads;
mod shared;
mod subject_graph;
mod subject_plan;
mod subject_set;
mod subject_values;
mod subject_windows;
mod trace;
mod walk;

pub use cache::{Cache, CacheAt};
pub use check::{check, check_each};
pub use components::{Component, GraphEdge, components};
pub use condition::Condition;
pub use error::{EngineError, WorkKind};
pub use expand::{ExpandResult, ExpandTree, ExpandTreeKind, SetOperation, expand};
pub use lookup_resources::{
    FoundResource, LookupPage, LookupResourcesQuery, ResourceFilter, ResourceLookup,
};
pub use lookup_subjects::{ExcludedSubject, FoundSubject, LookupSubjectsQuery, SubjectLookup};
pub use question::{CheckQuery, CheckResult, EvalContext, Limits, Statistics, Stopwatch};
pub use trace::{CaveatOutcome, CaveatTrace, Trace, TraceBudget};
