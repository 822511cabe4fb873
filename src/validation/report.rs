//! The report of a validation.

use super::assertion::AssertionResult;
use super::expected::ExpectedResult;
use super::problem::FileDiagnostic;
use crate::schema::{Diagnostic, Severity};

/// The result of validating a file.
#[derive(Clone, Debug)]
pub struct Report {
    /// The file's name.
    pub name: String,
    /// Whether the file is a schema alone.
    pub is_schema: bool,
    /// Errors and warnings about the file itself: its format, its schema, its relationships. In source order.
    pub findings: Vec<FileDiagnostic>,
    /// How many relationships were read.
    pub relationships_count: usize,
    /// The result of each assertion, in written order. Empty when the file is unusable.
    pub assertions: Vec<AssertionResult>,
    /// The result of each expectation under `validation`, in written order. Empty when the file is unusable.
    pub expected: Vec<ExpectedResult>,
}

/// The overall result of a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReportOutcome {
    /// Every assertion and expectation holds.
    Holds,
    /// At least one does not.
    Fails,
    /// The file, its schema or its relationships are wrong, so that no check ran.
    Unusable,
}

impl Report {
    /// The overall result.
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

    /// Every diagnostic about the file, in source order.
    pub fn diagnostics(&self) -> impl Iterator<Item = &Diagnostic> {
        self.findings.iter().map(|finding| &finding.diagnostic)
    }

    /// The errors, which make the file unusable.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.with_severity(Severity::Error)
    }

    /// The warnings.
    pub fn warnings(&self) -> impl Iterator<Item = &Diagnostic> {
        self.with_severity(Severity::Warning)
    }

    fn with_severity(&self, severity: Severity) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics().filter(move |diagnostic| diagnostic.severity == severity)
    }
}
