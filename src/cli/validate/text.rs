//! The report as text.

use super::validated::ValidatedFile;
use crate::cli::render::{BAD, DOUBTFUL, GOOD, STRONG, styled};
use crate::cli::{snippet, tree};
use crate::schema::{Diagnostic, Severity, lint};
use crate::validation::{
    AssertionResult, Evidence, ExpectedFailure, Mismatch, Report, ReportOutcome,
};
use std::collections::HashSet;

/// Maximum number of unused relations to name.
const NAMES_MAX: usize = 10;

/// Every problem with its source line, then one line per file, then a summary of all files.
pub(super) fn report(files: &[ValidatedFile]) -> String {
    let mut shown = HashSet::new();
    let mut text: String = files.iter().map(|validated| file(validated, &mut shown)).collect();
    if files.len() > 1 {
        text.push_str(&total(files));
    }
    text
}

/// The report on one file.
pub(in crate::cli) fn single(report: Report) -> String {
    let name = report.name.clone();
    self::report(&[ValidatedFile { name, report: Ok(report), fail_on_warn: false }])
}

fn file(file: &ValidatedFile, shown: &mut HashSet<String>) -> String {
    match &file.report {
        Ok(report) => {
            format!("{}{}\n", problems(report, shown), summary(report, file.outcome()))
        }
        Err(reason) => {
            format!("{} {} cannot be read: {reason}\n", styled(BAD, "✗"), strong(&file.name))
        }
    }
}

fn strong(name: &str) -> String {
    styled(STRONG, name)
}

/// Errors precede warnings. A problem that several files share, such as an error in a common schema, is shown once.
fn problems(report: &Report, shown: &mut HashSet<String>) -> String {
    let errors = report.errors().map(snippet::diagnostic);
    let assertions = report.assertions.iter().filter(|result| !result.holds()).map(assertion);
    let expected = report.expected.iter().flat_map(|result| &result.failures).map(expected);
    let (unused, warnings): (Vec<_>, Vec<_>) =
        report.warnings().partition(|warning| warning.code == lint::UNUSED_RELATION);
    let warnings = warnings.into_iter().map(snippet::diagnostic);
    let problems = errors.chain(assertions).chain(expected).chain(warnings);
    let problems = problems.filter(|problem| shown.insert(problem.clone()));
    let mut text: String = problems.map(|problem| problem + "\n").collect();
    if let Some(line) = unused_relations(&unused).filter(|line| shown.insert(line.clone())) {
        text.push_str(&line);
        text.push('\n');
    }
    text
}

/// All unused relations in one line, since an unfinished schema has many.
fn unused_relations(warnings: &[&Diagnostic]) -> Option<String> {
    let first = warnings.first()?;
    let full_name = |warning: &&Diagnostic| {
        let names: Vec<&str> = warning.names.iter().map(|(_, name)| name.as_str()).collect();
        names.join("#")
    };

    let mut names: Vec<String> = warnings.iter().take(NAMES_MAX).map(full_name).collect();
    if warnings.len() > NAMES_MAX {
        names.push(format!("{} more", warnings.len() - NAMES_MAX));
    }

    let verb = if warnings.len() == 1 { "is" } else { "are" };
    Some(format!(
        "{} {}:{}: {} {verb} used by no permission: {}\n",
        styled(DOUBTFUL, format!("warning[{}]:", first.code)),
        first.source_name,
        first.start().line,
        counted(warnings.len(), "relation"),
        names.join(", "),
    ))
}

fn assertion(result: &AssertionResult) -> String {
    let title = result.message();
    let message = snippet::SnippetMessage {
        severity: Severity::Error,
        code: None,
        title: &title,
        label: "",
        help: None,
    };
    let mut text = snippet::message(&message, &result.assertion.location);
    text.push_str(&result.evidence.as_ref().map(why).unwrap_or_default());
    text
}

fn expected(failure: &ExpectedFailure) -> String {
    let title = failure.mismatch.to_string();
    let help = match &failure.mismatch {
        Mismatch::Unlisted { line, .. } => Some(format!("the line `- \"{line}\"` lists it")),
        Mismatch::NoSubject { .. }
        | Mismatch::Missing { .. }
        | Mismatch::Through { .. }
        | Mismatch::Exceptions { .. }
        | Mismatch::ExceptionsOfOne { .. }
        | Mismatch::Caveat { .. }
        | Mismatch::NotExpanded { .. } => None,
    };

    let message = snippet::SnippetMessage {
        severity: Severity::Error,
        code: None,
        title: &title,
        label: "",
        help: help.as_deref(),
    };
    let text = snippet::message(&message, &failure.location);
    text + &failure.evidence.as_ref().map(why).unwrap_or_default()
}

/// The explanation below a message.
fn why(evidence: &Evidence) -> String {
    format!("   why:\n{}", tree::draw(evidence, "   "))
}

fn summary(report: &Report, outcome: ReportOutcome) -> String {
    let name = strong(&report.name);
    match outcome {
        ReportOutcome::Holds => {
            format!("{} {name}: {}{}", styled(GOOD, "✓"), counts(report), warnings(report))
        }
        ReportOutcome::Fails => {
            format!("{} {name}: {}{}", styled(BAD, "✗"), failures(report), warnings(report))
        }
        ReportOutcome::Unusable => {
            let errors = counted(report.errors().count(), "error");
            format!("{} {name} is invalid: {errors}{}", styled(BAD, "✗"), warnings(report))
        }
    }
}

fn counts(report: &Report) -> String {
    if report.is_schema {
        return "the schema is valid".to_owned();
    }
    format!(
        "{}; {} and {} passed",
        counted(report.relationships_count, "relationship"),
        counted(report.assertions.len(), "assertion"),
        counted(report.expected.len(), "expected relation"),
    )
}

fn failures(report: &Report) -> String {
    let assertions = report.assertions.iter().filter(|result| !result.holds()).count();
    let expected = report.expected.iter().filter(|result| !result.holds()).count();
    if assertions + expected == 0 {
        return format!("{}, but warnings count as failures", counts(report));
    }
    format!(
        "{assertions} of {} and {expected} of {} failed",
        counted(report.assertions.len(), "assertion"),
        counted(report.expected.len(), "expected relation"),
    )
}

fn warnings(report: &Report) -> String {
    match report.warnings().count() {
        0 => String::new(),
        count => format!(", {}", styled(DOUBTFUL, counted(count, "warning"))),
    }
}

fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

fn total(files: &[ValidatedFile]) -> String {
    let with = |outcome| files.iter().filter(|file| file.outcome() == outcome).count();
    format!(
        "{}: {} passed, {} failed, {} invalid\n",
        counted(files.len(), "file"),
        with(ReportOutcome::Holds),
        with(ReportOutcome::Fails),
        with(ReportOutcome::Unusable)
    )
}
