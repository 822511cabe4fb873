//! Collecting the steps of a trace during a walk.

use crate::engine::limits::Stopwatch;
use crate::engine::trace::{CaveatTrace, Trace};
use std::time::Duration;

/// Maximum depth of a trace; deeper steps are left out.
pub(in crate::engine) const TRACE_DEPTH_MAX: usize = 40;
/// Maximum number of steps of a trace, and of all traces of one request together.
const TRACE_STEPS_MAX: usize = 10_000;

/// The number of steps that the traces of one request may still contain.
#[derive(Clone, Copy, Debug)]
pub struct TraceBudget(usize);

impl Default for TraceBudget {
    fn default() -> Self {
        Self(TRACE_STEPS_MAX)
    }
}

impl TraceBudget {
    /// Charges a trace to the budget. A trace that exceeds it is truncated to its root, which always stays.
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

/// A step of a trace. While it is open, `duration` is its start.
#[derive(Debug, Default)]
pub(in crate::engine) struct TraceStep {
    pub(in crate::engine) duration: Duration,
    pub(in crate::engine) caveats: Vec<CaveatTrace>,
    pub(in crate::engine) children: Vec<Trace>,
    pub(in crate::engine) cut: bool,
}

/// The open steps of a trace, from the root to the node that is being evaluated.
pub(in crate::engine) struct Tracer<'s> {
    stopwatch: Stopwatch<'s>,
    steps: Vec<TraceStep>,
    step_count: usize,
}

impl<'s> Tracer<'s> {
    pub(in crate::engine) fn new(stopwatch: Stopwatch<'s>) -> Self {
        Self { stopwatch, steps: Vec::new(), step_count: 0 }
    }

    pub(in crate::engine) fn open(&mut self) {
        self.steps.push(TraceStep { duration: (self.stopwatch)(), ..TraceStep::default() });
    }

    pub(in crate::engine) fn close(&mut self) -> TraceStep {
        let mut step = self.steps.pop().unwrap_or_default();
        step.duration = (self.stopwatch)().saturating_sub(step.duration);
        step
    }

    pub(in crate::engine) fn caveat(&mut self, caveat: CaveatTrace) {
        let Some(step) = self.steps.last_mut() else { return };
        if self.step_count >= TRACE_STEPS_MAX {
            step.cut = true;
            return;
        }
        self.step_count += 1;
        step.caveats.push(caveat);
    }

    pub(in crate::engine) fn child(&mut self, child: Trace) {
        let is_deep = self.steps.len() > TRACE_DEPTH_MAX;
        let Some(step) = self.steps.last_mut() else { return };
        if is_deep || self.step_count >= TRACE_STEPS_MAX {
            step.cut = true;
            return;
        }
        self.step_count += 1;
        step.children.push(child);
    }

    /// Marks the current step as incomplete: steps below it are left out.
    pub(in crate::engine) fn cut(&mut self) {
        if let Some(step) = self.steps.last_mut() {
            step.cut = true;
        }
    }
}
