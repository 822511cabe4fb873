//! The report as `JUnit` XML: one suite per file, one case per assertion or expected relation.

use super::validated::ValidatedFile;
use crate::cli::error::CliError;
use crate::cli::{shown_place, tree};
use crate::schema::{Diagnostic, Severity};
use crate::validation::{AssertionResult, ExpectedResult, Report, SourceLocation};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

/// The whole report.
pub(super) fn report(files: &[ValidatedFile]) -> Result<String, CliError> {
    let mut report = quick_junit::Report::new("kilwa validate");
    report.add_test_suites(files.iter().map(suite));
    Ok(report.to_string()?)
}

fn suite(file: &ValidatedFile) -> TestSuite {
    let mut suite = TestSuite::new(file.name.as_str());
    match &file.report {
        Ok(report) => {
            suite.add_test_case(usable(report, file.fail_on_warn));
            suite.add_test_cases(report.assertions.iter().map(assertion));
            suite.add_test_cases(report.expected.iter().map(expected));
        }
        Err(reason) => {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(format!("cannot be read: {reason}"));
            suite.add_test_case(TestCase::new("schema and relationships", status));
        }
    }
    for case in &mut suite.test_cases {
        case.set_classname(file.name.as_str());
    }
    suite
}

/// The case for schema and relationships: an error if they are invalid, a failure if warnings count as failures.
fn usable(report: &Report, fail_on_warn: bool) -> TestCase {
    let errors: Vec<String> = report.errors().map(line).collect();
    let warnings: Vec<String> = report.warnings().map(line).collect();
    let status = if !errors.is_empty() {
        non_success(NonSuccessKind::Error, &errors)
    } else if fail_on_warn && !warnings.is_empty() {
        non_success(NonSuccessKind::Failure, &warnings)
    } else {
        TestCaseStatus::success()
    };
    let mut case = TestCase::new("schema and relationships", status);
    if !warnings.is_empty() {
        case.set_system_out(warnings.join("\n"));
    }
    case
}

fn non_success(kind: NonSuccessKind, lines: &[String]) -> TestCaseStatus {
    let mut status = TestCaseStatus::non_success(kind);
    status.set_message(lines.first().cloned().unwrap_or_default());
    status.set_description(lines.join("\n"));
    status
}

/// A diagnostic in one line, with its place.
pub(in crate::cli) fn line(diagnostic: &Diagnostic) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let start = shown_place::position(&diagnostic.source, diagnostic.span.start);
    let help = diagnostic.help.as_ref().map(|help| format!("; help: {help}"));
    format!(
        "{}:{}:{}: {severity}[{}]: {}{}",
        diagnostic.source_name,
        start.line,
        start.column,
        diagnostic.code,
        diagnostic.message,
        help.unwrap_or_default()
    )
}

fn at(location: &SourceLocation) -> String {
    let start = shown_place::position(&location.source, location.span.start);
    format!("{}:{}:{}", location.source_name, start.line, start.column)
}

fn assertion(result: &AssertionResult) -> TestCase {
    let assertion = &result.assertion;
    let status = if result.holds() {
        TestCaseStatus::success()
    } else {
        let kind =
            if result.answer.is_ok() { NonSuccessKind::Failure } else { NonSuccessKind::Error };
        let mut status = TestCaseStatus::non_success(kind);
        let message = format!("{}: {}", at(&assertion.location), result.message());
        let tree = result.evidence.as_ref().map(tree::plain);
        status.set_description(format!("{message}\n{}", tree.unwrap_or_default()));
        status.set_message(message);
        status
    };
    TestCase::new(format!("{} is {}", assertion.text, assertion.expectation), status)
}

fn expected(result: &ExpectedResult) -> TestCase {
    let failures: Vec<String> = result
        .failures
        .iter()
        .map(|failure| {
            let why = failure.evidence.as_ref().map(tree::plain);
            let why = why.map(|why| format!("\n{}", why.trim_end()));
            format!("{}: {}{}", at(&failure.location), failure.mismatch, why.unwrap_or_default())
        })
        .collect();
    let status = if failures.is_empty() {
        TestCaseStatus::success()
    } else {
        non_success(NonSuccessKind::Failure, &failures)
    };
    TestCase::new(format!("{} has the expected subjects", result.expected.key()), status)
}
