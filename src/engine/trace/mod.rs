//! Traces: the steps by which a check reached its result.

pub(super) mod condition;
pub(super) mod tracer;

use crate::caveat::CaveatResult;
use crate::engine::trace::condition::Condition;
use crate::relationship::{Context, ObjectRef, Permissionship, Subject};
use std::time::Duration;

/// A relation or permission of an object that was evaluated, with the steps below it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The object.
    pub resource: ObjectRef,
    /// The relation or permission.
    pub permission: String,
    /// Whether it is a permission rather than a relation.
    pub is_permission: bool,
    /// The subject of the check.
    pub subject: Subject,
    /// Whether the subject has it; `None` when a caveat failed.
    pub permissionship: Option<Permissionship>,
    /// Whether the result was already known from another step of the same check.
    pub known: bool,
    /// The duration including the steps below; zero without a stopwatch.
    pub duration: Duration,
    /// The caveats that the permissionship depends on; `None` when it holds without them.
    pub condition: Option<Condition>,
    /// The caveats on the relationships that were used here.
    pub caveats: Vec<CaveatTrace>,
    /// The steps below, in the order of evaluation.
    pub children: Vec<Trace>,
    /// Whether steps or caveats below this one were left out, because the trace became too deep or too long, or because
    /// the result was computed without a walk.
    pub cut: bool,
}

/// A caveat that was evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct CaveatTrace {
    /// Its name.
    pub name: String,
    /// Its expression.
    pub expression: String,
    /// The values that it was evaluated with: stored values over those of the request.
    pub context: Context,
    /// The value of the expression, or why it could not be evaluated.
    pub result: Result<CaveatResult, String>,
}

impl Trace {
    /// The number of steps in the trace, caveats included.
    fn count(&self) -> usize {
        let below: usize = self.children.iter().map(Self::count).sum();
        1 + self.caveats.len() + below
    }
}
