//! What came of a file.

use super::assertion::AssertionResult;
use super::expected::ExpectedResult;
use super::problem::FileDiagnostic;
use crate::schema::{Diagnostic, Severity};

/// Everything that was found about a file.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file's name.
    pub name: String,
    /// Whether the file is a schema alone.
    pub is_schema: bool,
    /// What is wrong or doubtful in the file itself: its form, its schema, its relationships. In order of place.
    pub findings: Vec<FileDiagnostic>,
    /// How many relationships were read.
    pub relationships_count: usize,
    /// What came of each assertion, in written order. Empty when the file is unusable.
    pub assertions: Vec<AssertionResult>,
    /// What came of each expectation under `validation`, in written order. Empty when the file is unusable.
    pub expected: Vec<ExpectedResult>,
}

/// What a report comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReportOutcome {
    /// Every assertion and expectation holds.
    Holds,
    /// At least one does not.
    Fails,
    /// The file, its schema or its relationships are wrong, so that nothing was asked.
    Unusable,
}

impl Report {
    /// What the report comes to.
    pub fn outcome(&self) -> ReportOutcome {
        let holds = self.assertions.iter().all(AssertionResult::holds)
            && self.expected.iter().all(ExpectedResult::holds);
        if self.errors().next().is_some() {
            ReportOutcome::Unusable
        } else if holds {
            ReportOutcome::Holds
        } else {
            ReportOutcome::Fails
        }
    }

    /// What there is to say about the file, in order of place.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.findings.iter().map(|finding| &finding.diagnostic)
    }

    /// What makes the file unusable.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Error)
    }

    /// What is doubtful in the file.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.of(Severity::Warning)
    }

    fn of(&self, severity: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics().filter(move |diagnostic| diagnostic.severity == severity)
    }
}
