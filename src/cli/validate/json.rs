//! The report for programs: one JSON object.

use super::files::Validated;
use super::outcome;
use crate::cli::explanation::Step;
use crate::cli::failure::Failure;
use crate::schema::{Diagnostic, Position, Severity};
use crate::validation::{AssertionResult, ExpectedResult, Outcome, Place};
use serde::Serialize;

#[derive(Serialize)]
struct All<'a> {
    outcome: &'static str,
    files: Vec<File<'a>>,
}

#[derive(Serialize)]
struct File<'a> {
    #[serde(rename = "file")]
    name: &'a str,
    outcome: &'static str,
    /// Why the file could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<&'a str>,
    relationships: usize,
    diagnostics: Vec<Problem<'a>>,
    assertions: Vec<Assertion<'a>>,
    expected_relations: Vec<Expected>,
}

#[derive(Serialize)]
struct Problem<'a> {
    severity: &'static str,
    code: &'static str,
    message: &'a str,
    help: Option<&'a str>,
    file: &'a str,
    line: usize,
    column: usize,
    end_line: usize,
    end_column: usize,
}

#[derive(Serialize)]
struct Assertion<'a> {
    text: &'a str,
    line: usize,
    column: usize,
    expected: String,
    holds: bool,
    /// What came: `true`, `caveated`, `false`, or null beside an error.
    actual: Option<String>,
    missing_context: Vec<&'a str>,
    error: Option<&'a str>,
    explanation: Option<Step>,
}

#[derive(Serialize)]
struct Expected {
    key: String,
    line: usize,
    column: usize,
    holds: bool,
    failures: Vec<Missed>,
}

#[derive(Serialize)]
struct Missed {
    message: String,
    line: usize,
    column: usize,
}

/// The whole report, ended by a line break.
pub(super) fn report(files: &[Validated], fail_on_warn: bool) -> Result<String, Failure> {
    let outcome = files.iter().map(|file| outcome(file, fail_on_warn)).max();
    let all = All {
        outcome: outcome_name(outcome.unwrap_or(Outcome::Holds)),
        files: files.iter().map(|validated| file(validated, fail_on_warn)).collect(),
    };
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

fn outcome_name(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Holds => "holds",
        Outcome::Fails => "fails",
        Outcome::Unusable => "unusable",
    }
}

fn file(file: &Validated, fail_on_warn: bool) -> File<'_> {
    let report = file.report.as_ref();
    File {
        name: &file.name,
        outcome: outcome_name(outcome(file, fail_on_warn)),
        unreadable: report.err().map(String::as_str),
        relationships: report.map_or(0, |report| report.relationships_count),
        diagnostics: report.map_or(vec![], |report| report.diagnostics().map(problem).collect()),
        assertions: report
            .map_or(vec![], |report| report.assertions.iter().map(assertion).collect()),
        expected_relations: report
            .map_or(vec![], |report| report.expected.iter().map(expected).collect()),
    }
}

fn problem(diagnostic: &Diagnostic) -> Problem<'_> {
    let (start, end) = (diagnostic.start(), diagnostic.end());
    Problem {
        severity: match diagnostic.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
        },
        code: diagnostic.code,
        message: &diagnostic.message,
        help: diagnostic.help.as_deref(),
        file: &diagnostic.source_name,
        line: start.line,
        column: start.column,
        end_line: end.line,
        end_column: end.column,
    }
}

fn assertion(result: &AssertionResult) -> Assertion<'_> {
    let Position { line, column } = result.assertion.place.start();
    Assertion {
        text: &result.assertion.text,
        line,
        column,
        expected: result.assertion.expectation.to_string(),
        holds: result.holds(),
        actual: result.actual().map(|actual| actual.to_string()),
        missing_context: result.missing_context().collect(),
        error: result.answer.as_ref().err().map(String::as_str),
        explanation: result.evidence.as_ref().map(Step::new),
    }
}

fn expected(result: &ExpectedResult) -> Expected {
    let Position { line, column } = result.expected.place().start();
    let missed = |place: &Place, message: String| {
        let Position { line, column } = place.start();
        Missed { message, line, column }
    };
    Expected {
        key: result.expected.key(),
        line,
        column,
        holds: result.holds(),
        failures: result
            .failures
            .iter()
            .map(|found| missed(&found.place, found.mismatch.to_string()))
            .collect(),
    }
}
