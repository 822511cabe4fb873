//! Reports of validations to messages.

use crate::api::convert::trace::TraceEncoder;
use crate::proto::authzed::api::v1::ZedToken;
use crate::proto::kilwa::v1 as proto;
use crate::proto::kilwa::v1::diagnostic::{Severity as SeverityMessage, Stage as StageMessage};
use crate::relationship::Permissionship;
use crate::schema::{Diagnostic, DiagnosticStage, Position, Severity};
use crate::validation::{
    AssertionResult, Expectation, ExpectedResult, FileDiagnostic, FileSection, Report,
    ReportOutcome, SourceLocation,
};

/// Assertions that were run outside of a file.
#[derive(Clone, Copy, Debug)]
pub(crate) struct AssertionRun<'r> {
    pub(crate) findings: &'r [FileDiagnostic],
    pub(crate) results: &'r [AssertionResult],
}

/// Maximum number of diagnostics in a response. A file of 16 MiB can have a million faults.
const DIAGNOSTICS_MAX: usize = 10_000;

/// What came of a file.
pub(crate) fn file(report: &Report, traces: &TraceEncoder) -> proto::ValidateResponse {
    let mut counts = count_assertions(&report.assertions);
    counts.relationships = number(report.relationships_count);
    counts.expected_relations = number(report.expected.len());
    counts.expected_relations_failed =
        number(report.expected.iter().filter(|result| !result.holds()).count());
    proto::ValidateResponse {
        ok: report.outcome() == ReportOutcome::Holds,
        diagnostics: diagnostics(&report.findings),
        // The schema is in the request already.
        assertions: report.assertions.iter().map(|result| assertion(result, traces, "")).collect(),
        expected_relations: report.expected.iter().map(expected).collect(),
        counts: Some(counts),
    }
}

/// The result of assertions on the stored data. Only the first trace carries the schema.
pub(crate) fn live(
    checked_at: ZedToken,
    run: AssertionRun<'_>,
    traces: &TraceEncoder,
    schema: &str,
) -> proto::ValidateLiveResponse {
    let mut schema = Some(schema);
    let mut reported = |result: &AssertionResult| {
        let schema = result.trace.as_ref().and_then(|_| schema.take());
        assertion(result, traces, schema.unwrap_or_default())
    };
    let faulty = run.findings.iter().any(|finding| finding.diagnostic.severity == Severity::Error);
    proto::ValidateLiveResponse {
        checked_at: Some(checked_at),
        ok: !faulty && run.results.iter().all(AssertionResult::holds),
        diagnostics: diagnostics(run.findings),
        assertions: run.results.iter().map(&mut reported).collect(),
        counts: Some(count_assertions(run.results)),
    }
}

/// The first ones, and one that counts the others.
fn diagnostics(findings: &[FileDiagnostic]) -> Vec<proto::Diagnostic> {
    let mut reported: Vec<_> = findings.iter().take(DIAGNOSTICS_MAX).map(diagnostic).collect();
    let left = findings.len() - reported.len();
    if left > 0 {
        reported.push(proto::Diagnostic {
            severity: SeverityMessage::Error.into(),
            message: format!("{left} more are not listed: fix these first"),
            ..proto::Diagnostic::default()
        });
    }
    reported
}

fn count_assertions(results: &[AssertionResult]) -> proto::ValidationCounts {
    proto::ValidationCounts {
        assertions: number(results.len()),
        assertions_failed: number(results.iter().filter(|result| !result.holds()).count()),
        ..proto::ValidationCounts::default()
    }
}

fn assertion(
    result: &AssertionResult,
    traces: &TraceEncoder,
    schema: &str,
) -> proto::AssertionResult {
    let missing = match &result.answer {
        Ok(Permissionship::Conditional(names)) => names.iter().cloned().collect(),
        Ok(Permissionship::HasPermission | Permissionship::NoPermission) | Err(_) => Vec::new(),
    };
    proto::AssertionResult {
        text: result.assertion.text.clone(),
        range: Some(source_range(&result.assertion.location)),
        ok: result.holds(),
        expected: expected_answer(result.assertion.expectation).into(),
        actual: actual_answer(&result.answer).into(),
        missing_context: missing,
        trace: result.trace.as_ref().map(|trace| traces.information(trace, schema)),
        error: result.answer.as_ref().err().cloned().unwrap_or_default(),
    }
}

fn expected_answer(expectation: Expectation) -> proto::Permissionship {
    match expectation {
        Expectation::True => proto::Permissionship::HasPermission,
        Expectation::Caveated => proto::Permissionship::ConditionalPermission,
        Expectation::False => proto::Permissionship::NoPermission,
    }
}

fn actual_answer(answer: &Result<Permissionship, String>) -> proto::Permissionship {
    match answer {
        Ok(Permissionship::HasPermission) => proto::Permissionship::HasPermission,
        Ok(Permissionship::Conditional(_)) => proto::Permissionship::ConditionalPermission,
        Ok(Permissionship::NoPermission) => proto::Permissionship::NoPermission,
        Err(_) => proto::Permissionship::Unspecified,
    }
}

fn expected(result: &ExpectedResult) -> proto::ExpectedRelationsResult {
    let differences = result.failures.iter().map(|failure| proto::ExpectedRelationsDifference {
        message: failure.mismatch.to_string(),
        range: Some(source_range(&failure.location)),
    });
    proto::ExpectedRelationsResult {
        text: result.expected.key(),
        range: Some(source_range(result.expected.location())),
        ok: result.holds(),
        differences: differences.collect(),
    }
}

fn diagnostic(finding: &FileDiagnostic) -> proto::Diagnostic {
    let Diagnostic { severity, code, message, help, source_name, .. } = &finding.diagnostic;
    let severity = match severity {
        Severity::Error => SeverityMessage::Error,
        Severity::Warning => SeverityMessage::Warning,
    };
    proto::Diagnostic {
        severity: severity.into(),
        stage: stage(finding).into(),
        code: (*code).to_owned(),
        message: message.clone(),
        help: help.clone().unwrap_or_default(),
        range: Some(range(source_name, finding.diagnostic.start(), finding.diagnostic.end())),
    }
}

fn stage(finding: &FileDiagnostic) -> StageMessage {
    match (finding.block, finding.diagnostic.stage) {
        (FileSection::File, _) => StageMessage::File,
        (FileSection::Schema, DiagnosticStage::Parse) => StageMessage::SchemaParse,
        (FileSection::Schema, DiagnosticStage::Type) => StageMessage::SchemaType,
        (FileSection::Schema, DiagnosticStage::Lint) => StageMessage::SchemaLint,
        (FileSection::Relationships, _) => StageMessage::Relationships,
        (FileSection::Assertions, _) => StageMessage::Assertions,
        (FileSection::ExpectedRelations, _) => StageMessage::ExpectedRelations,
    }
}

fn source_range(location: &SourceLocation) -> proto::SourceRange {
    range(&location.source_name, location.start(), location.end())
}

fn range(source_name: &str, start: Position, end: Position) -> proto::SourceRange {
    proto::SourceRange {
        source_name: source_name.to_owned(),
        start: Some(position(start)),
        end: Some(position(end)),
    }
}

fn position(position: Position) -> proto::Position {
    let small = |number| u32::try_from(number).unwrap_or(u32::MAX);
    proto::Position { line: small(position.line), column: small(position.column) }
}

fn number(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}
