//! The report as `JUnit` XML: a suite a file, a case an assertion or expected relation.

use super::files::Validated;
use crate::cli::tree;
use crate::schema::{Diagnostic, Severity};
use crate::validation::{AssertionResult, ExpectedResult, Place, Report};
use quick_junit::{NonSuccessKind, TestCase, TestCaseStatus, TestSuite};

/// The whole report.
pub(super) fn report(files: &[Validated]) -> String {
    let mut report = quick_junit::Report::new("kilwa validate");
    report.add_test_suites(files.iter().map(suite));
    report.to_string().unwrap_or_else(|error| format!("<!-- {error} -->\n"))
}

fn suite(file: &Validated) -> TestSuite {
    let mut suite = TestSuite::new(file.name.as_str());
    match &file.report {
        Ok(report) => {
            suite.add_test_case(usable(report));
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

/// The case that schema and relationships can be used.
fn usable(report: &Report) -> TestCase {
    let errors: Vec<String> = report.errors().map(line).collect();
    let status = if errors.is_empty() {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
        status.set_message(errors.first().cloned().unwrap_or_default());
        status.set_description(errors.join("\n"));
        status
    };
    let mut case = TestCase::new("schema and relationships", status);
    let warnings: Vec<String> = report.warnings().map(line).collect();
    if !warnings.is_empty() {
        case.set_system_out(warnings.join("\n"));
    }
    case
}

fn line(diagnostic: &Diagnostic) -> String {
    let severity = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let start = diagnostic.start();
    format!(
        "{}:{}:{}: {severity}: {}",
        diagnostic.source_name, start.line, start.column, diagnostic.message
    )
}

fn at(place: &Place) -> String {
    let start = place.start();
    format!("{}:{}:{}", place.source_name, start.line, start.column)
}

fn assertion(result: &AssertionResult) -> TestCase {
    let assertion = &result.assertion;
    let status = if result.holds() {
        TestCaseStatus::success()
    } else {
        let kind =
            if result.answer.is_ok() { NonSuccessKind::Failure } else { NonSuccessKind::Error };
        let mut status = TestCaseStatus::non_success(kind);
        let message = format!("{}: {}", at(&assertion.place), result.message());
        let tree = result.evidence.as_ref().map(|evidence| tree::draw(evidence, ""));
        status.set_description(format!("{message}\n{}", plain(&tree.unwrap_or_default())));
        status.set_message(message);
        status
    };
    TestCase::new(format!("{} is {}", assertion.text, assertion.expectation), status)
}

fn expected(result: &ExpectedResult) -> TestCase {
    let failures: Vec<String> = result
        .failures
        .iter()
        .map(|failure| format!("{}: {}", at(&failure.place), failure.mismatch))
        .collect();
    let status = if failures.is_empty() {
        TestCaseStatus::success()
    } else {
        let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
        status.set_message(failures.first().cloned().unwrap_or_default());
        status.set_description(failures.join("\n"));
        status
    };
    TestCase::new(format!("{} has the expected subjects", result.expected.key()), status)
}

/// A text without its styles.
fn plain(text: &str) -> String {
    anstream::adapter::strip_str(text).to_string()
}
