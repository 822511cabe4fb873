//! Differences as `JUnit` XML: one case for each.

use crate::cli::error::CliError;
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

/// A case of a report.
pub(super) struct DifferenceCase {
    /// What the case is about.
    pub(super) name: String,
    /// Whether it fails, and why.
    pub(super) outcome: CaseOutcome,
}

/// How a case ends.
pub(super) enum CaseOutcome {
    /// Well. What there is to say of it.
    Good(String),
    /// The difference is one that fails the command.
    Failure(String),
    /// The file cannot be used.
    Error(String),
}

/// A report of a command with one suite.
pub(super) fn report(
    command: &str,
    suite: &str,
    cases: Vec<DifferenceCase>,
) -> Result<String, CliError> {
    let mut suite = TestSuite::new(suite);
    suite.add_test_cases(cases.into_iter().map(test_case));
    let mut report = Report::new(command);
    report.add_test_suite(suite);
    Ok(report.to_string()?)
}

fn test_case(DifferenceCase { name, outcome }: DifferenceCase) -> TestCase {
    let failed = |kind, text: String| {
        let mut status = TestCaseStatus::non_success(kind);
        status.set_message(text.lines().next().unwrap_or_default().to_owned());
        status.set_description(text);
        status
    };
    let (status, said) = match outcome {
        CaseOutcome::Good(said) => (TestCaseStatus::success(), said),
        CaseOutcome::Failure(text) => (failed(NonSuccessKind::Failure, text), String::new()),
        CaseOutcome::Error(text) => (failed(NonSuccessKind::Error, text), String::new()),
    };
    let mut case = TestCase::new(name, status);
    if !said.is_empty() {
        case.set_system_out(said);
    }
    case
}
