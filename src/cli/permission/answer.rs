//! Answers for people and for programs.

use crate::cli::explanation::Step;
use crate::client::{Answer, Permissionship};
use serde::Serialize;

/// An answer as the wire writes it in JSON, with its explanation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Item {
    permissionship: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_caveat_info: Option<Partial>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<Step>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Partial {
    missing_required_context: Vec<String>,
}

impl Item {
    pub(super) fn new(answer: &Answer) -> Self {
        let missing = answer.missing_context.clone();
        Self {
            permissionship: match answer.permissionship {
                Permissionship::Has => "PERMISSIONSHIP_HAS_PERMISSION",
                Permissionship::No => "PERMISSIONSHIP_NO_PERMISSION",
                Permissionship::Conditional => "PERMISSIONSHIP_CONDITIONAL_PERMISSION",
            },
            partial_caveat_info: (!missing.is_empty())
                .then_some(Partial { missing_required_context: missing }),
            explanation: answer.evidence.as_ref().map(Step::new),
        }
    }
}

/// The names of the context that an answer lacks; nothing when it lacks none.
pub(super) fn lacks(answer: &Answer) -> Option<String> {
    let names: Vec<String> =
        answer.missing_context.iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
