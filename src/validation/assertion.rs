//! Assertions: checks with their expected results.

use super::evidence::Evidence;
use super::source::{NamedText, SourceLocation};
use crate::engine::{CheckQuery, CheckResult, Trace, TraceBudget};
use crate::relationship::{
    Context, ContextError, ObjectRef, ParseError, Permissionship, Subject, parse_relationship_key,
};
use std::fmt;

/// Separates an assertion's check from its context.
const CONTEXT_SEPARATOR: &str = " with ";

/// The answer that an assertion wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Expectation {
    /// The subject is in the permission (`assertTrue`).
    True,
    /// It depends on context that is missing (`assertCaveated`).
    Caveated,
    /// The subject is not in the permission (`assertFalse`).
    False,
}

impl Expectation {
    /// Whether an answer is the wanted one.
    pub fn is_met_by(self, permissionship: &Permissionship) -> bool {
        match permissionship {
            Permissionship::HasPermission => self == Self::True,
            Permissionship::Conditional(_) => self == Self::Caveated,
            Permissionship::NoPermission => self == Self::False,
        }
    }
}

/// `true`, `caveated` or `false`.
impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::True => "true",
            Self::Caveated => "caveated",
            Self::False => "false",
        })
    }
}

/// A check with its expected result.
#[derive(Clone, Debug, PartialEq)]
pub struct Assertion {
    /// The wanted answer.
    pub expectation: Expectation,
    /// The object that access is about.
    pub resource: ObjectRef,
    /// A permission or relation of its definition.
    pub permission: String,
    /// The subject.
    pub subject: Subject,
    /// The context of the check.
    pub context: Context,
    /// The assertion as it was written.
    pub text: String,
    /// Where it was written.
    pub location: SourceLocation,
}

/// A text that is no assertion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// The text before the context is not a resource, permission and subject.
    #[error(transparent)]
    Key(#[from] ParseError),
    /// What follows ` with ` is no context.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// A caveat or an expiration in brackets, as only relationships have.
    #[error("an assertion has no `{0}`: write the context of its check after ` with `")]
    Bracket(String),
}

impl Assertion {
    /// Reads `document:plan#view@user:ann`, or the same followed by ` with {"day": "monday"}`.
    pub fn parse(expectation: Expectation, text: &str) -> Result<Self, AssertionError> {
        let location = NamedText::new("assertion", text).location(0..text.len());
        Self::parse_at(expectation, text, location)
    }

    pub(super) fn parse_at(
        expectation: Expectation,
        text: &str,
        location: SourceLocation,
    ) -> Result<Self, AssertionError> {
        let text = text.trim();
        let (key, context) = match text.split_once(CONTEXT_SEPARATOR) {
            Some((key, context)) => (key.trim(), Context::parse(context.trim())?),
            None => (text, Context::default()),
        };
        if let Some((_, bracket)) = key.split_once('[') {
            return Err(AssertionError::Bracket(format!("[{bracket}")));
        }
        let (resource, permission, subject) = parse_relationship_key(key)?;
        let text = text.to_owned();
        Ok(Self { expectation, resource, permission, subject, context, text, location })
    }

    /// The check of the assertion.
    pub fn query(&self) -> CheckQuery<'_> {
        CheckQuery {
            resource: &self.resource,
            permission: &self.permission,
            subject: &self.subject,
            context: &self.context,
        }
    }
}

/// The result of an assertion.
#[derive(Clone, Debug)]
pub struct AssertionResult {
    /// The assertion.
    pub assertion: Assertion,
    /// The result, or why the check failed.
    pub answer: Result<Permissionship, String>,
    /// The trace of the check, when its result is not the expected one.
    pub trace: Option<Trace>,
    /// The same in words, where the schema is at hand.
    pub evidence: Option<Evidence>,
}

impl AssertionResult {
    /// Whether the answer is the wanted one.
    pub fn holds(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| self.assertion.expectation.is_met_by(answer))
    }

    /// The actual result as an expectation; `None` when the check failed.
    pub fn actual(&self) -> Option<Expectation> {
        Some(match self.answer.as_ref().ok()? {
            Permissionship::HasPermission => Expectation::True,
            Permissionship::Conditional(_) => Expectation::Caveated,
            Permissionship::NoPermission => Expectation::False,
        })
    }

    /// The names of the context that a caveated answer lacks.
    pub fn missing_context(&self) -> impl Iterator<Item = &str> {
        let names = match &self.answer {
            Ok(Permissionship::Conditional(names)) => Some(names),
            Ok(Permissionship::HasPermission | Permissionship::NoPermission) | Err(_) => None,
        };
        names.into_iter().flatten().map(String::as_str)
    }

    /// One sentence with the expected and the actual result.
    pub fn message(&self) -> String {
        let Assertion { text, expectation, .. } = &self.assertion;
        match &self.answer {
            Ok(answer) => {
                format!("expected `{text}` to be {expectation}, but it is {}", answer_text(answer))
            }
            Err(reason) => format!("`{text}` has no answer: {reason}"),
        }
    }
}

fn answer_text(answer: &Permissionship) -> String {
    match answer {
        Permissionship::HasPermission => "true".to_owned(),
        Permissionship::NoPermission => "false".to_owned(),
        Permissionship::Conditional(missing) => {
            let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
            format!("caveated: the context lacks {}", names.join(", "))
        }
    }
}

/// Runs the check of each assertion, and runs it again with tracing when the result is not the expected one.
///
/// `ask` runs a check and returns its result, or the reason why it failed; its second argument requests the trace. After
/// an outer error no further check runs. One budget bounds all traces: a trace over budget is truncated to its root.
pub fn run_assertions<E>(
    assertions: Vec<Assertion>,
    mut ask: impl FnMut(&CheckQuery<'_>, bool) -> Result<Result<CheckResult, String>, E>,
) -> Result<Vec<AssertionResult>, E> {
    let mut budget = TraceBudget::default();
    let run = |assertion: Assertion| {
        let answer = ask(&assertion.query(), false)?.map(|checked| checked.permissionship);
        let result = AssertionResult { assertion, answer, trace: None, evidence: None };
        if result.holds() || result.answer.is_err() {
            return Ok(result);
        }
        let traced = ask(&result.assertion.query(), true)?;
        let mut trace = traced.ok().and_then(|checked| checked.trace);
        if let Some(trace) = &mut trace {
            budget.spend(trace);
        }
        Ok(AssertionResult { trace, ..result })
    };
    assertions.into_iter().map(run).collect()
}
