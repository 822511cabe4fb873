//! The tables of a mapping file, with the places of their values.

use crate::settings_file::PlacedText;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MappingContent {
    #[serde(default)]
    pub(super) upstream: UpstreamContent,
    #[serde(default)]
    pub(super) unauthenticated: Option<DenialContent>,
    #[serde(default)]
    pub(super) forbidden: Option<DenialContent>,
    #[serde(default)]
    pub(super) unavailable: Option<DenialContent>,
    #[serde(default)]
    pub(super) subject: Option<SubjectContent>,
    #[serde(default)]
    pub(super) rules: Vec<RuleContent>,
}

/// `[upstream]`.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UpstreamContent {
    #[serde(default)]
    pub(super) subject_header: Option<PlacedText>,
    #[serde(default)]
    pub(super) revision_header: Option<PlacedText>,
    #[serde(default)]
    pub(super) remove_headers: Vec<PlacedText>,
}

/// `[unauthenticated]`, `[forbidden]` and `[unavailable]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DenialContent {
    #[serde(default)]
    pub(super) status: Option<Spanned<i32>>,
    #[serde(default)]
    pub(super) body: String,
    #[serde(default)]
    pub(super) headers: BTreeMap<PlacedText, PlacedText>,
}

/// `[[rules]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleContent {
    pub(super) name: PlacedText,
    #[serde(default)]
    pub(super) methods: Option<Spanned<Vec<PlacedText>>>,
    #[serde(default)]
    pub(super) host: Option<PlacedText>,
    pub(super) path: PlacedText,
    #[serde(default)]
    pub(super) verdict: Option<PlacedText>,
    #[serde(default)]
    pub(super) resource: Option<ResourceContent>,
    #[serde(default)]
    pub(super) permission: Option<PlacedText>,
    #[serde(default)]
    pub(super) subject: Option<SubjectContent>,
    #[serde(default)]
    pub(super) context: Option<BTreeMap<PlacedText, ContextContent>>,
    #[serde(default)]
    pub(super) consistency: Option<PlacedText>,
    #[serde(default)]
    pub(super) consistency_header: Option<PlacedText>,
}

/// `resource` of a rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceContent {
    #[serde(rename = "type")]
    pub(super) object_type: PlacedText,
    pub(super) id: PlacedText,
}

/// `subject` of a rule, or of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubjectContent {
    #[serde(rename = "type")]
    pub(super) object_type: PlacedText,
    #[serde(default)]
    pub(super) relation: Option<PlacedText>,
    #[serde(default)]
    pub(super) id: Option<PlacedText>,
    #[serde(default)]
    pub(super) header: Option<PlacedText>,
    #[serde(default)]
    pub(super) claim: Option<PlacedText>,
    #[serde(default)]
    pub(super) metadata: Option<PlacedText>,
    #[serde(default)]
    pub(super) principal_prefix: Option<PlacedText>,
    /// Of `claim`.
    #[serde(default)]
    pub(super) issuer: Option<PlacedText>,
    /// Of `claim`.
    #[serde(default)]
    pub(super) audience: Option<Spanned<Vec<String>>>,
    /// Of `claim`.
    #[serde(default)]
    pub(super) token_header: Option<PlacedText>,
    /// Of `metadata`.
    #[serde(default)]
    pub(super) namespace: Option<PlacedText>,
}

/// A value in `context` of a rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContextContent {
    #[serde(default)]
    pub(super) header: Option<PlacedText>,
    #[serde(default)]
    pub(super) segment: Option<PlacedText>,
    #[serde(default)]
    pub(super) source_address: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) value: Option<toml::Value>,
}
