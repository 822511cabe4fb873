//! What is known about one sub-question, and how such findings combine.

use crate::engine::trace::condition::Condition;
use crate::engine::truth::Truth;
use crate::relationship::Timestamp;
use std::rc::Rc;

/// How far down the open nodes a finding leans; see [`super::memo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::engine) struct OpenDepth(pub(in crate::engine) usize);

impl OpenDepth {
    /// On no open node at all.
    pub(in crate::engine) const NONE: Self = Self(usize::MAX);
}

/// A value and what it rests on.
#[derive(Clone, Debug)]
pub(in crate::engine) struct NodeResult {
    pub(in crate::engine) truth: Truth,
    /// The lowest open node of which something was assumed on the way.
    pub(in crate::engine) leaning: OpenDepth,
    /// The first expiry among the relationships on the way: the value need not hold from then on.
    pub(in crate::engine) until: Option<Timestamp>,
    /// Whether no caveat lay on the way, so that the value is the same in every context.
    pub(in crate::engine) plain: bool,
    /// When the way is told: the caveats that the value rests on. None where it holds without them.
    pub(in crate::engine) condition: Option<Rc<Condition>>,
}

impl NodeResult {
    pub(in crate::engine) const fn settled(truth: Truth) -> Self {
        Self { truth, leaning: OpenDepth::NONE, until: None, plain: true, condition: None }
    }

    pub(in crate::engine) const fn no() -> Self {
        Self::settled(Truth::No)
    }

    pub(in crate::engine) const fn yes() -> Self {
        Self::settled(Truth::Yes)
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
            leaning: self.leaning.min(other.leaning),
            until: earlier(self.until, other.until),
            plain: self.plain && other.plain,
            condition,
            truth: truth(self.truth, other.truth),
        }
    }
}

/// The condition of two findings joined. One that has none of its own either decides the value, or has no part in it.
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
