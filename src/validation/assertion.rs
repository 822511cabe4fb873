//! Assertions: what a check must answer.

use super::evidence::Evidence;
use super::source::{NamedText, SourceLocation};
use crate::engine::{CheckQuery, CheckResult, Trace, TraceBudget};
use crate::relationship::{
    Context, ContextError, ObjectRef, ParseError, Permissionship, Subject, parse_relationship_key,
};
use std::fmt;

/// What stands between an assertion's question and its context.
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

/// A question with the answer that it must get.
#[derive(Clone, Debug, PartialEq)]
pub struct Assertion {
    /// The wanted answer.
    pub expectation: Expectation,
    /// The object that access is about.
    pub resource: ObjectRef,
    /// A permission or relation of its definition.
    pub permission: String,
    /// Who asks for access.
    pub subject: Subject,
    /// The context of the question.
    pub context: Context,
    /// The assertion as it was written.
    pub text: String,
    /// Where it was written.
    pub place: SourceLocation,
}

/// A text that is no assertion.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AssertionError {
    /// The question is no resource, permission and subject.
    #[error(transparent)]
    Question(#[from] ParseError),
    /// What follows ` with ` is no context.
    #[error(transparent)]
    Context(#[from] ContextError),
    /// The question carries a caveat or an expiration, as only relationships do.
    #[error("an assertion carries no `{0}`: give the context of its question after ` with `")]
    Bracket(String),
}

impl Assertion {
    /// Reads `document:plan#view@user:ann`, or the same followed by ` with {"day": "monday"}`.
    pub fn parse(expectation: Expectation, text: &str) -> Result<Self, AssertionError> {
        let place = NamedText::new("assertion", text).place(0..text.len());
        Self::parse_at(expectation, text, place)
    }

    pub(super) fn parse_at(
        expectation: Expectation,
        text: &str,
        place: SourceLocation,
    ) -> Result<Self, AssertionError> {
        let text = text.trim();
        let (question, context) = match text.split_once(CONTEXT_SEPARATOR) {
            Some((question, context)) => (question.trim(), Context::parse(context.trim())?),
            None => (text, Context::default()),
        };
        if let Some((_, bracket)) = question.split_once('[') {
            return Err(AssertionError::Bracket(format!("[{bracket}")));
        }
        let (resource, permission, subject) = parse_relationship_key(question)?;
        let text = text.to_owned();
        Ok(Self { expectation, resource, permission, subject, context, text, place })
    }

    /// What the assertion asks.
    pub fn question(&self) -> CheckQuery<'_> {
        CheckQuery {
            resource: &self.resource,
            permission: &self.permission,
            subject: &self.subject,
            context: &self.context,
        }
    }
}

/// What came of an assertion.
#[derive(Clone, Debug)]
pub struct AssertionResult {
    /// The assertion.
    pub assertion: Assertion,
    /// The answer, or why there is none.
    pub answer: Result<Permissionship, String>,
    /// How the answer came about, when it is not the wanted one.
    pub trace: Option<Trace>,
    /// The same in words, where the schema is at hand.
    pub evidence: Option<Evidence>,
}

impl AssertionResult {
    /// Whether the answer is the wanted one.
    pub fn holds(&self) -> bool {
        self.answer.as_ref().is_ok_and(|answer| self.assertion.expectation.is_met_by(answer))
    }

    /// What came, in the words of what is expected; nothing when there is no answer.
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

    /// One sentence about what was expected and what came.
    pub fn message(&self) -> String {
        let Assertion { text, expectation, .. } = &self.assertion;
        match &self.answer {
            Ok(answer) => {
                format!("expected `{text}` to be {expectation}, but it is {}", came(answer))
            }
            Err(reason) => format!("`{text}` has no answer: {reason}"),
        }
    }
}

fn came(answer: &Permissionship) -> String {
    match answer {
        Permissionship::HasPermission => "true".to_owned(),
        Permissionship::NoPermission => "false".to_owned(),
        Permissionship::Conditional(missing) => {
            let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
            format!("caveated: the context lacks {}", names.join(", "))
        }
    }
}

/// Asks each assertion's question, and asks again with tracing when the answer is not the wanted one.
///
/// `ask` answers a question or says why that cannot be answered; its second argument says whether the trace is wanted.
/// When it fails, no further question is asked. What the traces tell is bounded together: one that no longer fits is its
/// root alone.
pub fn run_assertions<E>(
    assertions: Vec<Assertion>,
    mut ask: impl FnMut(&CheckQuery<'_>, bool) -> Result<Result<CheckResult, String>, E>,
) -> Result<Vec<AssertionResult>, E> {
    let mut budget = TraceBudget::default();
    let run = |assertion: Assertion| {
        let answer = ask(&assertion.question(), false)?.map(|checked| checked.permissionship);
        let result = AssertionResult { assertion, answer, trace: None, evidence: None };
        if result.holds() || result.answer.is_err() {
            return Ok(result);
        }
        let traced = ask(&result.assertion.question(), true)?;
        let mut trace = traced.ok().and_then(|checked| checked.trace);
        if let Some(trace) = &mut trace {
            budget.spend(trace);
        }
        Ok(AssertionResult { trace, ..result })
    };
    assertions.into_iter().map(run).collect()
}
