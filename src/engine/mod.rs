//! The questions: pure walks over a [`Schema`](crate::schema::Schema) and a
//! [`RelationshipReader`](crate::relationship::RelationshipReader).
//!
//! [`check`] answers whether a subject is in a relation or permission of a resource. An answer has three values, for a
//! caveat may lack context. A [`Lookup`] goes the other way: from the subject to the resources. Nothing here reads a clock, touches a disk or starts a thread, and the work of one question
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
pub use components::{Component, Edge, components};
pub use condition::Condition;
pub use error::{EngineError, Work};
pub use expand::{Expanded, Operation, Tree, TreeKind, expand};
pub use lookup_resources::{FoundResource, Lookup, LookupPage, Sought, Within};
pub use lookup_subjects::{ExcludedSubject, FoundSubject, SubjectLookup, SubjectsQuestion};
pub use question::{Checked, Limits, Membership, Question, Scope, Statistics, Stopwatch};
pub use trace::{CaveatOutcome, CaveatTrace, Trace, TraceBudget};
