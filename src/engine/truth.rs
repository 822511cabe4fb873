//! The value of a node during an evaluation: a three-valued truth, or a fault.

use crate::caveat::{CaveatError, CaveatResult};
use crate::engine::error::EngineError;
use crate::relationship::Permissionship;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

/// The value of a node.
///
/// Values combine as in Kleene's three-valued logic, with two additions. A conditional value carries the names of the
/// missing context. A fault is a value too, because a union with a *yes*, or an intersection with a *no*, is decided
/// regardless of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Truth {
    No,
    Conditional(Arc<BTreeSet<String>>),
    Fault(Arc<EvalFault>),
    Yes,
}

/// Why a node has no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum EvalFault {
    /// The evaluation of a caveat failed.
    Caveat(CaveatError),
    /// The value depends on its own negation, through these relations and permissions.
    Cycle(Vec<String>),
}

impl EvalFault {
    /// The error of a query whose result is this fault.
    pub(super) fn error(&self) -> EngineError {
        match self {
            Self::Caveat(error) => EngineError::Caveat(error.clone()),
            Self::Cycle(cycle) => EngineError::CyclicExclusion { cycle: cycle.clone() },
        }
    }
}

impl fmt::Display for EvalFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.error().fmt(f)
    }
}

impl From<CaveatResult> for Truth {
    fn from(result: CaveatResult) -> Self {
        match result {
            CaveatResult::True => Self::Yes,
            CaveatResult::False => Self::No,
            CaveatResult::Missing(names) => Self::Conditional(Arc::new(names)),
        }
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

    /// Combines two undecided values: the missing names are united. A fault takes precedence over missing context, and a
    /// cycle, which no context resolves, over a failed caveat.
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
                if matches!(*cycle, EvalFault::Cycle(_)) =>
            {
                Self::Fault(cycle)
            }
            (fault @ Self::Fault(_), _) | (_, fault) => fault,
        }
    }

    /// The result of a query with this value; the fault when there is none.
    pub(super) fn permissionship(&self) -> Result<Permissionship, &EvalFault> {
        match self {
            Self::No => Ok(Permissionship::NoPermission),
            Self::Yes => Ok(Permissionship::HasPermission),
            Self::Conditional(missing) => Ok(Permissionship::Conditional((**missing).clone())),
            Self::Fault(fault) => Err(fault),
        }
    }

    /// As [`Self::permissionship`], with the fault as the query's error.
    pub(super) fn query_result(&self) -> Result<Permissionship, EngineError> {
        self.permissionship().map_err(EvalFault::error)
    }

    /// The value of a caveat, for its trace: the expression's value, or why it has none.
    pub(super) fn caveat_result(&self) -> Result<CaveatResult, String> {
        match self {
            Self::No => Ok(CaveatResult::False),
            Self::Yes => Ok(CaveatResult::True),
            Self::Conditional(missing) => Ok(CaveatResult::Missing((**missing).clone())),
            Self::Fault(fault) => Err(fault.to_string()),
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
