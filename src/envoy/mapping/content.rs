//! The tables of a mapping file, with the places of their values.

use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A text with its place.
pub(super) type LocatedText = Spanned<String>;

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
    pub(super) subject_header: Option<LocatedText>,
    #[serde(default)]
    pub(super) revision_header: Option<LocatedText>,
    #[serde(default)]
    pub(super) remove_headers: Vec<LocatedText>,
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
    pub(super) headers: BTreeMap<LocatedText, LocatedText>,
}

/// `[[rules]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RuleContent {
    pub(super) name: LocatedText,
    #[serde(default)]
    pub(super) methods: Option<Spanned<Vec<LocatedText>>>,
    #[serde(default)]
    pub(super) host: Option<LocatedText>,
    pub(super) path: LocatedText,
    #[serde(default)]
    pub(super) verdict: Option<LocatedText>,
    #[serde(default)]
    pub(super) resource: Option<ResourceContent>,
    #[serde(default)]
    pub(super) permission: Option<LocatedText>,
    #[serde(default)]
    pub(super) subject: Option<SubjectContent>,
    #[serde(default)]
    pub(super) context: Option<BTreeMap<LocatedText, ContextContent>>,
    #[serde(default)]
    pub(super) consistency: Option<LocatedText>,
    #[serde(default)]
    pub(super) consistency_header: Option<LocatedText>,
}

/// `resource` of a rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ResourceContent {
    #[serde(rename = "type")]
    pub(super) object_type: LocatedText,
    pub(super) id: LocatedText,
}

/// `subject` of a rule, or of the file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SubjectContent {
    #[serde(rename = "type")]
    pub(super) object_type: LocatedText,
    #[serde(default)]
    pub(super) relation: Option<LocatedText>,
    #[serde(default)]
    pub(super) id: Option<LocatedText>,
    #[serde(default)]
    pub(super) header: Option<LocatedText>,
    #[serde(default)]
    pub(super) claim: Option<LocatedText>,
    #[serde(default)]
    pub(super) metadata: Option<LocatedText>,
    #[serde(default)]
    pub(super) principal_prefix: Option<LocatedText>,
    /// Of `claim`.
    #[serde(default)]
    pub(super) issuer: Option<LocatedText>,
    /// Of `claim`.
    #[serde(default)]
    pub(super) audience: Option<Spanned<Vec<String>>>,
    /// Of `claim`.
    #[serde(default)]
    pub(super) token_header: Option<LocatedText>,
    /// Of `metadata`.
    #[serde(default)]
    pub(super) namespace: Option<LocatedText>,
}

/// A value in `context` of a rule.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContextContent {
    #[serde(default)]
    pub(super) header: Option<LocatedText>,
    #[serde(default)]
    pub(super) segment: Option<LocatedText>,
    #[serde(default)]
    pub(super) source_address: Option<Spanned<bool>>,
    #[serde(default)]
    pub(super) value: Option<toml::Value>,
}
