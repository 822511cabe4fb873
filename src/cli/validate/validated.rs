//! The result of validating one file.

use crate::validation::{Outcome, Report};

/// A file with its report.
#[derive(Debug)]
pub(in crate::cli) struct ValidatedFile {
    pub(in crate::cli) name: String,
    /// The report, or why the file could not be read.
    pub(in crate::cli) report: Result<Report, String>,
    /// Whether warnings count as failures.
    pub(in crate::cli) fail_on_warn: bool,
}

impl ValidatedFile {
    /// The outcome of the file, in which warnings count as failures under `--fail-on-warn`.
    pub(super) fn outcome(&self) -> Outcome {
        let Ok(report) = &self.report else { return Outcome::Unusable };
        let outcome = report.outcome();
        let warned = self.fail_on_warn && report.warnings().next().is_some();
        if outcome == Outcome::Holds && warned { Outcome::Fails } else { outcome }
    }
}
