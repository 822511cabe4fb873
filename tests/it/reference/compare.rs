//! The engine compared with the reference: which differences are allowed.

use super::Answer;
use super::case::Asked;
use super::solution::Verdict;
use kilwa::engine::{CheckQuery, CheckResult, EngineError, EvalContext, check, check_each};
use kilwa::relationship::{Permissionship, RelationshipReader};
use std::collections::BTreeSet;

/// The engine's answer to a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    NotMember,
    Member,
    Conditional(BTreeSet<String>),
    /// The evaluation of a caveat failed.
    CaveatFailed,
    CyclicExclusion,
    ReadFailed,
    /// An error that no check should meet.
    Refused(String),
}

impl From<Result<CheckResult, EngineError>> for Said {
    fn from(result: Result<CheckResult, EngineError>) -> Self {
        match result {
            Ok(checked) => checked.permissionship.into(),
            Err(EngineError::Caveat(_)) => Self::CaveatFailed,
            Err(EngineError::CyclicExclusion { .. }) => Self::CyclicExclusion,
            Err(EngineError::Read(_)) => Self::ReadFailed,
            Err(error) => Self::Refused(error.to_string()),
        }
    }
}

impl From<Permissionship> for Said {
    fn from(permissionship: Permissionship) -> Self {
        match permissionship {
            Permissionship::NoPermission => Self::NotMember,
            Permissionship::HasPermission => Self::Member,
            Permissionship::Conditional(missing) => Self::Conditional(missing),
        }
    }
}

impl Asked {
    pub(crate) fn question(&self) -> CheckQuery<'_> {
        CheckQuery {
            resource: &self.resource,
            permission: &self.permission,
            subject: &self.subject,
            context: &self.context,
        }
    }
}

/// What the engine says to one check.
pub(crate) fn ask<R: RelationshipReader>(scope: &EvalContext<'_, R>, requested: &Asked) -> Said {
    check(scope, &requested.question()).into()
}

/// What the engine says to several checks at once.
pub(crate) fn ask_each<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    requested: &[Asked],
) -> Vec<Said> {
    let questions: Vec<CheckQuery<'_>> = requested.iter().map(Asked::question).collect();
    check_each(scope, &questions).into_iter().map(Said::from).collect()
}

impl Answer {
    /// Whether the engine may say this.
    ///
    /// - Where an exclusion depends on itself, the engine says so exactly where the answer hinges on it, whatever the
    ///   order in which it looks.
    /// - A cycle adds nothing to itself: in `a = c or (a and d)` only `c` decides. The reference does not look that
    ///   closely at why it does not know, so in cycles the engine may name fewer names, and pass over a failure, as long
    ///   as it names one.
    pub(crate) fn allows(&self, said: &Said) -> bool {
        match (&self.verdict, said) {
            (Verdict::Undefined, Said::CyclicExclusion)
            | (Verdict::NotMember, Said::NotMember)
            | (Verdict::Member, Said::Member)
            | (Verdict::Failed, Said::CaveatFailed) => true,
            (Verdict::Conditional(missing), Said::Conditional(named)) if self.cyclic => {
                !named.is_empty() && named.is_subset(missing)
            }
            (Verdict::Conditional(missing), Said::Conditional(named)) => missing == named,
            (Verdict::Failed, Said::Conditional(_)) => self.cyclic,
            _ => false,
        }
    }
}
