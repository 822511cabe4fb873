//! Explanations in JSON.

use crate::validation::{Evidence, EvidenceOutcome};
use serde::Serialize;

/// A step of an explanation, with the steps that it depends on.
#[derive(Serialize)]
pub(super) struct ExplanationStep {
    result: &'static str,
    of: String,
    note: String,
    steps: Vec<ExplanationStep>,
}

impl ExplanationStep {
    pub(super) fn new(evidence: &Evidence) -> Self {
        let result = match evidence.mark {
            EvidenceOutcome::Yes => "true",
            EvidenceOutcome::No => "false",
            EvidenceOutcome::Conditional => "caveated",
            EvidenceOutcome::Failed => "failed",
        };
        let steps = evidence.children.iter().map(Self::new).collect();
        Self { result, of: evidence.subject_of.clone(), note: evidence.note.clone(), steps }
    }
}
