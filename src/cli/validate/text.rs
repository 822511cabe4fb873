//! The report for people.

use super::files::Validated;
use crate::cli::render::{BAD, DOUBTFUL, GOOD, STRONG, styled};
use crate::cli::{snippet, tree};
use crate::schema::Severity;
use crate::validation::{AssertionResult, ExpectedFailure, Mismatch, Outcome, Report};

/// Every problem with its source line, then a line a file, then a line for all.
pub(super) fn report(files: &[Validated]) -> String {
    let mut text: String = files.iter().map(file).collect();
    if files.len() > 1 {
        text.push_str(&total(files));
    }
    text
}

fn file(file: &Validated) -> String {
    match &file.report {
        Ok(report) => format!("{}{}\n", problems(report), summary(report)),
        Err(reason) => {
            format!("{} {} cannot be read: {reason}\n", styled(BAD, "✗"), strong(&file.name))
        }
    }
}

fn strong(name: &str) -> String {
    styled(STRONG, name)
}

fn problems(report: &Report) -> String {
    let diagnostics = report.diagnostics().map(snippet::diagnostic);
    let assertions = report.assertions.iter().filter(|result| !result.holds()).map(assertion);
    let expected = report.expected.iter().flat_map(|result| &result.failures).map(expected);
    diagnostics.chain(assertions).chain(expected).map(|problem| problem + "\n").collect()
}

fn assertion(result: &AssertionResult) -> String {
    let title = result.message();
    let message = snippet::Message {
        severity: Severity::Error,
        code: None,
        title: &title,
        label: "",
        help: None,
    };
    let mut text = snippet::message(&message, &result.assertion.place);
    if let Some(evidence) = &result.evidence {
        text.push_str("   why:\n");
        text.push_str(&tree::draw(evidence, "   "));
    }
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
    let message = snippet::Message {
        severity: Severity::Error,
        code: None,
        title: &title,
        label: "",
        help: help.as_deref(),
    };
    snippet::message(&message, &failure.place)
}

fn summary(report: &Report) -> String {
    let name = strong(&report.name);
    match report.outcome() {
        Outcome::Holds => {
            format!("{} {name}: {}{}", styled(GOOD, "✓"), counts(report), warnings(report))
        }
        Outcome::Fails => {
            format!("{} {name}: {}{}", styled(BAD, "✗"), failures(report), warnings(report))
        }
        Outcome::Unusable => {
            let errors = counted(report.errors().count(), "error");
            format!("{} {name} cannot be used: {errors}{}", styled(BAD, "✗"), warnings(report))
        }
    }
}

fn counts(report: &Report) -> String {
    if report.is_schema {
        return "the schema is valid".to_owned();
    }
    format!(
        "{}, {} and {} hold",
        counted(report.relationships_count, "relationship"),
        counted(report.assertions.len(), "assertion"),
        counted(report.expected.len(), "expected relation"),
    )
}

fn failures(report: &Report) -> String {
    let assertions = report.assertions.iter().filter(|result| !result.holds()).count();
    let expected = report.expected.iter().filter(|result| !result.holds()).count();
    format!(
        "{assertions} of {} and {expected} of {} fail",
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

fn total(files: &[Validated]) -> String {
    let of = |outcome| files.iter().filter(|file| file.outcome() == outcome).count();
    format!(
        "{}: {} hold, {} fail, {} cannot be used\n",
        counted(files.len(), "file"),
        of(Outcome::Holds),
        of(Outcome::Fails),
        of(Outcome::Unusable)
    )
}
