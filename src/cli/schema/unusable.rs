//! Schema files that cannot be used, in the forms of reports.

use super::github;
use super::junit::CaseOutcome;
use crate::cli::validate::github::diagnostic;
use crate::cli::validate::junit::line;
use crate::cli::{render, snippet};
use crate::schema::SchemaError;

/// Why a file cannot be used.
pub(super) enum Unusable {
    /// It cannot be read, or not in this way.
    Unreadable(String),
    /// It does not compile.
    Schema(SchemaError),
}

impl Unusable {
    /// Annotations of a GitHub workflow, where the mistakes are.
    pub(super) fn annotations(&self, file: &str) -> String {
        match self {
            Self::Unreadable(message) => github::annotation_of_file("error", file, message),
            Self::Schema(found) => found.iter().map(|fault| diagnostic(fault) + "\n").collect(),
        }
    }

    /// How the case of the file ends in a report.
    pub(super) fn outcome(self) -> CaseOutcome {
        CaseOutcome::Error(match self {
            Self::Unreadable(message) => message,
            Self::Schema(found) => found.iter().map(line).collect::<Vec<_>>().join("\n"),
        })
    }

    /// Prints the reason to standard error.
    pub(super) fn note(&self) {
        match self {
            Self::Unreadable(message) => drop(render::error(message)),
            Self::Schema(found) => snippet::note_all(found),
        }
    }
}
