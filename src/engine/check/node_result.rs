//! The intermediate result of a node: its value, its dependency on open nodes, its expiry and its condition.

use crate::engine::trace::condition::Condition;
use crate::engine::truth::Truth;
use crate::relationship::Timestamp;
use std::rc::Rc;

/// The depth of the lowest open node that a result depends on; see [`super::memo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) struct OpenDepth(pub(in crate::engine) usize);

impl OpenDepth {
    /// The result depends on no open node.
    pub(in crate::engine) const NONE: Self = Self(usize::MAX);
}

/// The value of a node and what it depends on.
#[derive(Clone, Debug)]
pub(in crate::engine) struct NodeResult {
    pub(in crate::engine) truth: Truth,
    /// The lowest open node whose assumed value was used.
    pub(in crate::engine) open_depth: OpenDepth,
    /// The first expiry among the relationships that were used: the value is valid until then.
    pub(in crate::engine) until: Option<Timestamp>,
    /// Whether no caveat was involved, so that the value is the same in every context.
    pub(in crate::engine) plain: bool,
    /// When tracing: the caveats that the value depends on; `None` when it holds without them.
    pub(in crate::engine) condition: Option<Rc<Condition>>,
}

impl NodeResult {
    pub(in crate::engine) const fn final_value(truth: Truth) -> Self {
        Self { truth, open_depth: OpenDepth::NONE, until: None, plain: true, condition: None }
    }

    pub(in crate::engine) const fn no() -> Self {
        Self::final_value(Truth::No)
    }

    pub(in crate::engine) const fn yes() -> Self {
        Self::final_value(Truth::Yes)
    }

    pub(in crate::engine) fn or(self, other: Self) -> Self {
        let condition = joined(&self, &other, |decided| decided.truth.is_yes(), Condition::or);
        self.combine(other, condition, Truth::or)
    }

    pub(in crate::engine) fn and(self, other: Self) -> Self {
        let condition = joined(&self, &other, |decided| decided.truth.is_no(), Condition::and);
        self.combine(other, condition, Truth::and)
    }

    pub(in crate::engine) fn and_not(self, other: Self) -> Self {
        let condition = other.condition.map(|condition| Rc::new(condition.not()));
        self.and(Self { truth: other.truth.not(), condition, ..other })
    }

    fn combine(
        self,
        other: Self,
        condition: Option<Rc<Condition>>,
        truth: impl FnOnce(Truth, Truth) -> Truth,
    ) -> Self {
        Self {
            open_depth: self.open_depth.min(other.open_depth),
            until: earlier(self.until, other.until),
            plain: self.plain && other.plain,
            condition,
            truth: truth(self.truth, other.truth),
        }
    }
}

/// The condition of a combined result. An operand without a condition either decides the value or has no effect on it.
fn joined(
    left: &NodeResult,
    right: &NodeResult,
    decides: impl Fn(&NodeResult) -> bool,
    join: impl FnOnce(&Condition, &Condition) -> Condition,
) -> Option<Rc<Condition>> {
    match (&left.condition, &right.condition) {
        (None, None) => None,
        (Some(condition), None) => (!decides(right)).then(|| Rc::clone(condition)),
        (None, Some(condition)) => (!decides(left)).then(|| Rc::clone(condition)),
        (Some(left), Some(right)) => Some(Rc::new(join(left, right))),
    }
}

fn earlier(left: Option<Timestamp>, right: Option<Timestamp>) -> Option<Timestamp> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.min(right)),
        (only, None) | (None, only) => only,
    }
}
