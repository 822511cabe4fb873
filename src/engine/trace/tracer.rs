//! Collecting the steps of a trace during a walk.

use crate::engine::limits::Stopwatch;
use crate::engine::trace::{CaveatTrace, Trace};
use std::time::Duration;

/// The longest way down that a trace tells; below it, answers stand without their reasons.
pub(in crate::engine) const TRACE_DEPTH_MAX: usize = 40;
/// The most steps that a trace tells, and that the traces of one request tell together.
const TRACE_STEPS_MAX: usize = 10_000;

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

/// A step. While it is open, its duration is when it began.
#[derive(Debug, Default)]
pub(in crate::engine) struct TraceStep {
    pub(in crate::engine) duration: Duration,
    pub(in crate::engine) caveats: Vec<CaveatTrace>,
    pub(in crate::engine) children: Vec<Trace>,
    pub(in crate::engine) cut: bool,
}

/// The steps from the question down to where the walk is.
pub(in crate::engine) struct Tracer<'s> {
    stopwatch: Stopwatch<'s>,
    steps: Vec<TraceStep>,
    told: usize,
}

impl<'s> Tracer<'s> {
    pub(in crate::engine) fn new(stopwatch: Stopwatch<'s>) -> Self {
        Self { stopwatch, steps: Vec::new(), told: 0 }
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
        if self.told >= TRACE_STEPS_MAX {
            step.cut = true;
            return;
        }
        self.told += 1;
        step.caveats.push(caveat);
    }

    pub(in crate::engine) fn child(&mut self, child: Trace) {
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
    pub(in crate::engine) fn cut(&mut self) {
        if let Some(step) = self.steps.last_mut() {
            step.cut = true;
        }
    }
}
