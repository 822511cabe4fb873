//! How an answer came about.

use super::condition::Condition;
use super::finding::Truth;
use super::question::Stopwatch;
use crate::relationship::{Context, ObjectRef, Permissionship, Subject};
use std::collections::BTreeSet;
use std::time::Duration;

/// The longest way down that a trace tells; below it, answers stand without their reasons.
pub(super) const TRACE_DEPTH_MAX: usize = 40;
/// The most steps that a trace tells, and that the traces of one request tell together.
const TRACE_STEPS_MAX: usize = 10_000;

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
    /// What came out.
    pub outcome: CaveatOutcome,
}

/// What came out of a caveat.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CaveatOutcome {
    /// It holds.
    True,
    /// It does not.
    False,
    /// Values of these names are missing.
    Missing(BTreeSet<String>),
    /// It could not be evaluated, for this reason.
    Failed(String),
}

/// How many steps the traces of one request may still tell.
#[derive(Clone, Copy, Debug)]
pub struct TraceBudget(usize);

impl Default for TraceBudget {
    fn default() -> Self {
        Self(TRACE_STEPS_MAX)
    }
}

impl TraceBudget {
    /// Leaves the trace whole when that fits into what is left, else its root alone, which always stays.
    pub fn spend(&mut self, trace: &mut Trace) {
        let count = trace.count();
        if count > self.0 {
            trace.caveats.clear();
            trace.children.clear();
            trace.cut = true;
        } else {
            self.0 -= count;
        }
    }
}

impl Trace {
    /// How many steps it tells, each caveat too.
    fn count(&self) -> usize {
        let below: usize = self.children.iter().map(Self::count).sum();
        1 + self.caveats.len() + below
    }
}

/// A step. While it is open, its duration is when it began.
#[derive(Debug, Default)]
pub(super) struct Step {
    pub(super) duration: Duration,
    pub(super) caveats: Vec<CaveatTrace>,
    pub(super) children: Vec<Trace>,
    pub(super) cut: bool,
}

/// The steps from the question down to where the walk is.
pub(super) struct Tracer<'s> {
    stopwatch: Stopwatch<'s>,
    steps: Vec<Step>,
    told: usize,
}

impl<'s> Tracer<'s> {
    pub(super) fn new(stopwatch: Stopwatch<'s>) -> Self {
        Self { stopwatch, steps: Vec::new(), told: 0 }
    }

    pub(super) fn open(&mut self) {
        self.steps.push(Step { duration: (self.stopwatch)(), ..Step::default() });
    }

    pub(super) fn close(&mut self) -> Step {
        let mut step = self.steps.pop().unwrap_or_default();
        step.duration = (self.stopwatch)().saturating_sub(step.duration);
        step
    }

    pub(super) fn caveat(&mut self, caveat: CaveatTrace) {
        let Some(step) = self.steps.last_mut() else { return };
        if self.told >= TRACE_STEPS_MAX {
            step.cut = true;
            return;
        }
        self.told += 1;
        step.caveats.push(caveat);
    }

    pub(super) fn child(&mut self, child: Trace) {
        let is_deep = self.steps.len() > TRACE_DEPTH_MAX;
        let Some(step) = self.steps.last_mut() else { return };
        if is_deep || self.told >= TRACE_STEPS_MAX {
            step.cut = true;
            return;
        }
        self.told += 1;
        step.children.push(child);
    }

    /// Says that steps below the current one are left out.
    pub(super) fn cut(&mut self) {
        if let Some(step) = self.steps.last_mut() {
            step.cut = true;
        }
    }
}

pub(super) fn permissionship(truth: &Truth) -> Option<Permissionship> {
    match truth {
        Truth::No => Some(Permissionship::NoPermission),
        Truth::Yes => Some(Permissionship::HasPermission),
        Truth::Conditional(missing) => Some(Permissionship::Conditional((**missing).clone())),
        Truth::Fault(_) => None,
    }
}

pub(super) fn outcome(truth: &Truth) -> CaveatOutcome {
    match truth {
        Truth::No => CaveatOutcome::False,
        Truth::Yes => CaveatOutcome::True,
        Truth::Conditional(missing) => CaveatOutcome::Missing((**missing).clone()),
        Truth::Fault(error) => CaveatOutcome::Failed(error.to_string()),
    }
}
