//! The report as annotations of a GitHub workflow: one line per problem, then one line per file.

use super::validated::ValidatedFile;
use crate::cli::{shown_place, tree};
use crate::schema::{Diagnostic, Severity, SourceText};
use crate::validation::{AssertionResult, Report, ReportOutcome, SourceLocation};
use std::collections::HashSet;
use std::env;
use std::path::Path;

/// The whole report. A problem that several files share, such as an error in a common schema, is annotated once.
pub(super) fn report(files: &[ValidatedFile]) -> String {
    let mut seen = HashSet::new();
    let lines = files.iter().flat_map(file).filter(|line| seen.insert(line.clone()));
    lines.map(|line| line + "\n").collect()
}

fn file(file: &ValidatedFile) -> Vec<String> {
    let mut lines = match &file.report {
        Ok(report) => annotations(report),
        Err(reason) => vec![format!(
            "::error file={}::{}",
            property(&file.name),
            data(&format!("the file cannot be read: {reason}"))
        )],
    };
    lines.push(match file.outcome() {
        ReportOutcome::Holds => format!("{} passed", file.name),
        ReportOutcome::Fails => format!("{} failed", file.name),
        ReportOutcome::Unusable => format!("{} is invalid", file.name),
    });
    lines
}

fn annotations(report: &Report) -> Vec<String> {
    let mut lines: Vec<String> = report.diagnostics().map(diagnostic).collect();
    for result in report.assertions.iter().filter(|result| !result.holds()) {
        lines.push(error_at(&result.assertion.location, &explained(result)));
    }
    for failure in report.expected.iter().flat_map(|result| &result.failures) {
        let why = failure.evidence.as_ref().map(tree::plain);
        let why = why.map(|why| format!("\n{}", why.trim_end()));
        let message = failure.mismatch.to_string() + &why.unwrap_or_default();
        lines.push(error_at(&failure.location, &message));
    }
    lines
}

/// Expected and actual result, then the explanation.
fn explained(result: &AssertionResult) -> String {
    let why = result.evidence.as_ref().map(tree::plain);
    let why = why.map(|why| format!("\n{}", why.trim_end()));
    result.message() + &why.unwrap_or_default()
}

/// The annotation of a diagnostic.
pub(in crate::cli) fn diagnostic(diagnostic: &Diagnostic) -> String {
    let kind = match diagnostic.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let help = diagnostic.help.as_ref().map(|help| format!("\nhelp: {help}"));
    let message =
        format!("{} [{}]{}", diagnostic.message, diagnostic.code, help.unwrap_or_default());
    let place = (&diagnostic.source, diagnostic.span.start);
    annotation(kind, &diagnostic.source_name, place, &message)
}

fn error_at(location: &SourceLocation, message: &str) -> String {
    let place = (&location.source, location.span.start);
    annotation("error", &location.source_name, place, message)
}

fn annotation(
    kind: &str,
    file: &str,
    (source, offset): (&SourceText, usize),
    message: &str,
) -> String {
    let at = shown_place::position(source, offset);
    let file = property(&from_here(file));
    format!("::{kind} file={file},line={},col={}::{}", at.line, at.column, data(message))
}

/// The path relative to the working directory, if the file is below it: GitHub matches paths relative to the
/// repository.
pub(in crate::cli) fn from_here(file: &str) -> String {
    let here = env::current_dir().ok();
    let below = here.as_deref().and_then(|here| Path::new(file).strip_prefix(here).ok());
    below.map_or_else(|| file.to_owned(), |path| path.display().to_string())
}

/// A text escaped as the message of a workflow command.
pub(in crate::cli) fn data(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// A text escaped as a property of a workflow command.
pub(in crate::cli) fn property(text: &str) -> String {
    data(text).replace(':', "%3A").replace(',', "%2C")
}
