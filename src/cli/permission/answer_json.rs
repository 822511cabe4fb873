//! Check results in JSON.

use crate::cli::explanation_json::ExplanationStep;
use crate::client::{Answer, Permissionship};
use serde::Serialize;

/// A check result in the JSON form of the gRPC response, with its explanation.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct PermissionJson {
    permissionship: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_caveat_info: Option<MissingContextJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    explanation: Option<ExplanationStep>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct MissingContextJson {
    missing_required_context: Vec<String>,
}

impl MissingContextJson {
    /// The missing parameters; `None` if there are none.
    pub(super) fn from_names(missing: Vec<String>) -> Option<Self> {
        (!missing.is_empty()).then_some(Self { missing_required_context: missing })
    }
}

impl PermissionJson {
    pub(super) fn new(answer: &Answer) -> Self {
        Self {
            permissionship: match answer.permissionship {
                Permissionship::Has => "PERMISSIONSHIP_HAS_PERMISSION",
                Permissionship::No => "PERMISSIONSHIP_NO_PERMISSION",
                Permissionship::Conditional => "PERMISSIONSHIP_CONDITIONAL_PERMISSION",
            },
            partial_caveat_info: MissingContextJson::from_names(answer.missing_context.clone()),
            explanation: answer.evidence.as_ref().map(ExplanationStep::new),
        }
    }
}

/// The names of missing caveat parameters; `None` if there are none.
pub(super) fn missing_names(answer: &Answer) -> Option<String> {
    let names: Vec<String> =
        answer.missing_context.iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| names.join(", "))
}
