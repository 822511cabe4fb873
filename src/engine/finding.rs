//! What is known about one sub-question, and how such findings combine.

use super::condition::Condition;
use super::error::EngineError;
use crate::caveat::CaveatError;
use crate::relationship::Timestamp;
use std::collections::BTreeSet;
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

/// The value of a sub-question.
///
/// Combined as in Kleene's logic, with two additions: a conditional value knows the names of the context that it lacks,
/// and a fault is a value too, because a *yes* beside it in a union, or a *no* beside it in an intersection, decides
/// without it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    No,
    Conditional(Arc<BTreeSet<String>>),
    Fault(Arc<Fault>),
    Yes,
}

/// Why a value cannot be given.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The evaluation of a caveat failed.
    Caveat(CaveatError),
    /// The value depends on its own opposite, over these relations and permissions.
    Cycle(Vec<String>),
}

impl Fault {
    /// The error of a query whose answer is this fault.
    pub(super) fn error(&self) -> EngineError {
        match self {
            Self::Caveat(error) => EngineError::Caveat(error.clone()),
            Self::Cycle(cycle) => EngineError::CyclicExclusion { cycle: cycle.clone() },
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(f)
    }
}

impl Truth {
    pub(super) fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Yes, _) | (_, Self::Yes) => Self::Yes,
            (Self::No, only) | (only, Self::No) => only,
            (left, right) => Self::undecided(left, right),
        }
    }

    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::No, _) | (_, Self::No) => Self::No,
            (Self::Yes, only) | (only, Self::Yes) => only,
            (left, right) => Self::undecided(left, right),
        }
    }

    pub(super) fn not(self) -> Self {
        match self {
            Self::No => Self::Yes,
            Self::Yes => Self::No,
            Self::Conditional(_) | Self::Fault(_) => self,
        }
    }

    /// Both sides are undecided: they lack all that either lacks. A fault is stronger than a lack, and a cycle, which no
    /// context resolves, is stronger than the failure of a caveat.
    fn undecided(left: Self, right: Self) -> Self {
        match (left, right) {
            (Self::Conditional(left), Self::Conditional(right)) => {
                if right.is_subset(&left) {
                    Self::Conditional(left)
                } else {
                    Self::Conditional(Arc::new(left.union(&right).cloned().collect()))
                }
            }
            (Self::Fault(cycle), _) | (_, Self::Fault(cycle))
                if matches!(*cycle, Fault::Cycle(_)) =>
            {
                Self::Fault(cycle)
            }
            (fault @ Self::Fault(_), _) | (_, fault) => fault,
        }
    }

    pub(super) fn is_yes(&self) -> bool {
        matches!(self, Self::Yes)
    }

    pub(super) fn is_no(&self) -> bool {
        matches!(self, Self::No)
    }

    /// Whether it is neither *yes* nor *no*.
    pub(super) fn is_undecided(&self) -> bool {
        matches!(self, Self::Conditional(_) | Self::Fault(_))
    }
}

/// How far down the open nodes a finding leans; see [`super::memo`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Leaning(pub(super) usize);

impl Leaning {
    /// On no open node at all.
    pub(super) const NONE: Self = Self(usize::MAX);
}

/// A value and what it rests on.
#[derive(Clone, Debug)]
pub(super) struct Finding {
    pub(super) truth: Truth,
    /// The lowest open node of which something was assumed on the way.
    pub(super) leaning: Leaning,
    /// The first expiry among the relationships on the way: the value need not hold from then on.
    pub(super) until: Option<Timestamp>,
    /// Whether no caveat lay on the way, so that the value is the same in every context.
    pub(super) plain: bool,
    /// When the way is told: the caveats that the value rests on. None where it holds without them.
    pub(super) condition: Option<Rc<Condition>>,
}

impl Finding {
    pub(super) const fn settled(truth: Truth) -> Self {
        Self { truth, leaning: Leaning::NONE, until: None, plain: true, condition: None }
    }

    pub(super) const fn no() -> Self {
        Self::settled(Truth::No)
    }

    pub(super) const fn yes() -> Self {
        Self::settled(Truth::Yes)
    }

    pub(super) fn or(self, other: Self) -> Self {
        let condition = joined(&self, &other, |decided| decided.truth.is_yes(), Condition::or);
        self.combine(other, condition, Truth::or)
    }

    pub(super) fn and(self, other: Self) -> Self {
        let condition = joined(&self, &other, |decided| decided.truth.is_no(), Condition::and);
        self.combine(other, condition, Truth::and)
    }

    pub(super) fn and_not(self, other: Self) -> Self {
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
    left: &Finding,
    right: &Finding,
    decides: impl Fn(&Finding) -> bool,
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
