//! The result of validating one file.

use crate::validation::{Report, ReportOutcome};

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
    pub(super) fn outcome(&self) -> ReportOutcome {
        let Ok(report) = &self.report else { return ReportOutcome::Unusable };
        let outcome = report.outcome();
        let warned = self.fail_on_warn && report.warnings().next().is_some();
        if outcome == ReportOutcome::Holds && warned { ReportOutcome::Fails } else { outcome }
    }
}
