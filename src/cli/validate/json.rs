//! The report as one JSON object.

use super::validated::ValidatedFile;
use crate::cli::error::CliError;
use crate::cli::explanation_json::ExplanationStep;
use crate::cli::shown_place;
use crate::schema::{Diagnostic, Position, Severity};
use crate::validation::{AssertionResult, ExpectedFailure, ExpectedResult, ReportOutcome};
use serde::Serialize;

#[derive(Serialize)]
struct ReportJson<'a> {
    outcome: &'static str,
    files: Vec<FileJson<'a>>,
}

#[derive(Serialize)]
struct FileJson<'a> {
    #[serde(rename = "file")]
    name: &'a str,
    outcome: &'static str,
    /// Why the file could not be read.
    #[serde(skip_serializing_if = "Option::is_none")]
    unreadable: Option<&'a str>,
    relationships: usize,
    diagnostics: Vec<DiagnosticJson<'a>>,
    assertions: Vec<AssertionJson<'a>>,
    expected_relations: Vec<ExpectedJson>,
}

/// A diagnostic.
#[derive(Serialize)]
pub(in crate::cli) struct DiagnosticJson<'a> {
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

impl<'a> DiagnosticJson<'a> {
    pub(in crate::cli) fn new(diagnostic: &'a Diagnostic) -> Self {
        let at = |offset| shown_place::position(&diagnostic.source, offset);
        let (start, end) = (at(diagnostic.span.start), at(diagnostic.span.end));
        Self {
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
}

#[derive(Serialize)]
struct AssertionJson<'a> {
    text: &'a str,
    line: usize,
    column: usize,
    expected: String,
    holds: bool,
    /// The actual result: `true`, `caveated`, `false`, or null with an error.
    actual: Option<String>,
    missing_context: Vec<&'a str>,
    error: Option<&'a str>,
    explanation: Option<ExplanationStep>,
}

#[derive(Serialize)]
struct ExpectedJson {
    key: String,
    line: usize,
    column: usize,
    holds: bool,
    failures: Vec<MismatchJson>,
}

#[derive(Serialize)]
struct MismatchJson {
    message: String,
    line: usize,
    column: usize,
    explanation: Option<ExplanationStep>,
}

/// The whole report, with a line break at the end.
pub(super) fn report(files: &[ValidatedFile]) -> Result<String, CliError> {
    let outcome = files.iter().map(ValidatedFile::outcome).max();
    let all = ReportJson {
        outcome: outcome_name(outcome.unwrap_or(ReportOutcome::Holds)),
        files: files.iter().map(file).collect(),
    };
    Ok(serde_json::to_string_pretty(&all)? + "\n")
}

fn outcome_name(outcome: ReportOutcome) -> &'static str {
    match outcome {
        ReportOutcome::Holds => "holds",
        ReportOutcome::Fails => "fails",
        ReportOutcome::Unusable => "unusable",
    }
}

fn file(file: &ValidatedFile) -> FileJson<'_> {
    let report = file.report.as_ref();
    FileJson {
        name: &file.name,
        outcome: outcome_name(file.outcome()),
        unreadable: report.err().map(String::as_str),
        relationships: report.map_or(0, |report| report.relationships_count),
        diagnostics: report
            .map_or(vec![], |report| report.diagnostics().map(DiagnosticJson::new).collect()),
        assertions: report
            .map_or(vec![], |report| report.assertions.iter().map(assertion).collect()),
        expected_relations: report
            .map_or(vec![], |report| report.expected.iter().map(expected).collect()),
    }
}

fn assertion(result: &AssertionResult) -> AssertionJson<'_> {
    let Position { line, column } = result.assertion.location.start();
    AssertionJson {
        text: &result.assertion.text,
        line,
        column,
        expected: result.assertion.expectation.to_string(),
        holds: result.holds(),
        actual: result.actual().map(|actual| actual.to_string()),
        missing_context: result.missing_context().collect(),
        error: result.answer.as_ref().err().map(String::as_str),
        explanation: result.evidence.as_ref().map(ExplanationStep::new),
    }
}

fn expected(result: &ExpectedResult) -> ExpectedJson {
    let Position { line, column } = result.expected.location().start();
    let missed = |failure: &ExpectedFailure| {
        let Position { line, column } = failure.location.start();
        let explanation = failure.evidence.as_ref().map(ExplanationStep::new);
        MismatchJson { message: failure.mismatch.to_string(), line, column, explanation }
    };
    ExpectedJson {
        key: result.expected.key(),
        line,
        column,
        holds: result.holds(),
        failures: result.failures.iter().map(missed).collect(),
    }
}
