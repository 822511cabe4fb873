//! The metadata of the decision point, whose URLs come from the configuration and never from a request.

use serde_json::json;

const WELL_KNOWN: &str = "/.well-known/authzen-configuration";

/// A base URL that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the base URL `{0}` of AuthZEN cannot be used: it must start with `https://` and have neither `?` nor `#`"
)]
pub struct BaseUrlError(String);

/// The metadata document, and where it is.
#[derive(Debug)]
pub(super) struct PdpMetadata {
    path: String,
    base_path: String,
    text: String,
}

impl PdpMetadata {
    /// The document of a decision point with this URL.
    pub(super) fn new(base_url: &str) -> Result<Self, BaseUrlError> {
        let invalid = || BaseUrlError(base_url.to_owned());
        let base = base_url.trim_end_matches('/');
        let rest = base.strip_prefix("https://").ok_or_else(invalid)?;
        let is_plain = |c: char| c.is_ascii_graphic() && !"?#\"\\<>^`{|}".contains(c);
        if rest.is_empty() || rest.starts_with('/') || !rest.chars().all(is_plain) {
            return Err(invalid());
        }

        let tenant = rest.find('/').and_then(|start| rest.get(start..)).unwrap_or_default();
        let url = |path: &str| format!("{base}/access/v1/{path}");
        let text = json!({
            "policy_decision_point": base,
            "access_evaluation_endpoint": url("evaluation"),
            "access_evaluations_endpoint": url("evaluations"),
            "search_subject_endpoint": url("search/subject"),
            "search_resource_endpoint": url("search/resource"),
            "search_action_endpoint": url("search/action"),
        });
        let path = format!("{WELL_KNOWN}{tenant}");
        Ok(Self { path, base_path: tenant.to_owned(), text: text.to_string() })
    }

    /// The path of the decision point's URL, without a slash at its end.
    pub(super) fn base_path(&self) -> &str {
        &self.base_path
    }

    /// Its path.
    pub(super) fn path(&self) -> &str {
        &self.path
    }

    /// Its JSON.
    pub(super) fn text(&self) -> &str {
        &self.text
    }
}
