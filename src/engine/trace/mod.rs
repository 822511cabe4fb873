//! How an answer came about.

pub(super) mod condition;
pub(super) mod tracer;

use crate::caveat::CaveatResult;
use crate::engine::trace::condition::Condition;
use crate::relationship::{Context, ObjectRef, Permissionship, Subject};
use std::time::Duration;

/// One relation or permission of an object that was looked into, and what was looked into for it.
#[derive(Clone, Debug, PartialEq)]
pub struct Trace {
    /// The object.
    pub resource: ObjectRef,
    /// The relation or permission.
    pub permission: String,
    /// Whether it is a permission rather than a relation.
    pub is_permission: bool,
    /// Who was looked for.
    pub subject: Subject,
    /// Whether the subject is in it; `None` when a caveat failed.
    pub permissionship: Option<Permissionship>,
    /// Whether the answer was already known from another step of the same question.
    pub known: bool,
    /// How long it took, with the steps below it; zero when no stopwatch ran.
    pub duration: Duration,
    /// The caveats that the permissionship rests on; `None` when it holds without them.
    pub condition: Option<Condition>,
    /// The caveats on the relationships that were used here.
    pub caveats: Vec<CaveatTrace>,
    /// What was looked into for the answer, in order.
    pub children: Vec<Trace>,
    /// Whether steps or caveats below this one were left out, because the trace had become too deep or too long, or because
    /// the answer was found without a walk.
    pub cut: bool,
}

/// A caveat that was evaluated.
#[derive(Clone, Debug, PartialEq)]
pub struct CaveatTrace {
    /// Its name.
    pub name: String,
    /// Its expression.
    pub expression: String,
    /// The values that it was evaluated with: stored ones over those of the question.
    pub context: Context,
    /// The value of the expression, or why it could not be evaluated.
    pub result: Result<CaveatResult, String>,
}

impl Trace {
    /// How many steps it tells, each caveat too.
    fn count(&self) -> usize {
        let below: usize = self.children.iter().map(Self::count).sum();
        1 + self.caveats.len() + below
    }
}
