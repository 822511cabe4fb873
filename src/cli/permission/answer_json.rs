//! Check results in JSON.

use crate::cli::explanation_json::ExplanationStep;
use crate::client::CheckAnswer;
use crate::relationship::Permissionship;
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
    pub(super) fn new(answer: &CheckAnswer) -> Self {
        let explanation = answer.evidence.as_ref().map(ExplanationStep::new);
        Self { explanation, ..Self::from_permissionship(&answer.permissionship) }
    }

    pub(super) fn from_permissionship(permissionship: &Permissionship) -> Self {
        let (permissionship, missing) = match permissionship {
            Permissionship::HasPermission => ("PERMISSIONSHIP_HAS_PERMISSION", Vec::new()),
            Permissionship::NoPermission => ("PERMISSIONSHIP_NO_PERMISSION", Vec::new()),
            Permissionship::Conditional(missing) => {
                ("PERMISSIONSHIP_CONDITIONAL_PERMISSION", missing.iter().cloned().collect())
            }
        };

        let partial_caveat_info = MissingContextJson::from_names(missing);
        Self { permissionship, partial_caveat_info, explanation: None }
    }
}

/// The names of the missing context of a conditional result; `None` for other results.
pub(super) fn missing_names(permissionship: &Permissionship) -> Option<String> {
    let Permissionship::Conditional(missing) = permissionship else { return None };
    let names: Vec<String> = missing.iter().map(|name| format!("`{name}`")).collect();
    (!names.is_empty()).then(|| names.join(", "))
}

/// `true`, `false` or `caveated`.
pub(super) fn word(permissionship: &Permissionship) -> &'static str {
    match permissionship {
        Permissionship::HasPermission => "true",
        Permissionship::NoPermission => "false",
        Permissionship::Conditional(_) => "caveated",
    }
}
