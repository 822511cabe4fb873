//! The tables of an access file, with the places of their values.

use crate::settings_file::PlacedText;
use serde::Deserialize;
use std::collections::BTreeMap;
use toml::Spanned;

/// A whole file.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AccessContent {
    #[serde(default)]
    pub(super) roles: BTreeMap<PlacedText, RoleContent>,
    #[serde(default)]
    pub(super) keys: Vec<KeyContent>,
    #[serde(default)]
    pub(super) certificates: Vec<CertificateContent>,
    #[serde(default)]
    pub(super) issuers: Vec<IssuerContent>,
}

/// `[[issuers]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IssuerContent {
    pub(super) name: PlacedText,
    pub(super) issuer: PlacedText,
    pub(super) audience: Spanned<Vec<PlacedText>>,
    pub(super) algorithms: Spanned<Vec<PlacedText>>,
    #[serde(default)]
    pub(super) jwks_file: Option<PlacedText>,
    #[serde(default)]
    pub(super) jwks_url: Option<PlacedText>,
    #[serde(default)]
    pub(super) jwks_ca_file: Option<PlacedText>,
    #[serde(default)]
    pub(super) jwks_refresh_seconds: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) jwks_keep_seconds: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) clock_skew_seconds: Option<Spanned<u64>>,
    #[serde(default)]
    pub(super) roles_claim: Option<String>,
    /// Without it, tokens name the subjects of checks alone, and never a caller.
    #[serde(default)]
    pub(super) roles: Option<Spanned<BTreeMap<String, Vec<PlacedText>>>>,
}

/// `[roles.NAME]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RoleContent {
    pub(super) methods: Spanned<Vec<PlacedText>>,
    #[serde(default)]
    pub(super) definitions: Option<Spanned<Vec<PlacedText>>>,
    #[serde(default)]
    pub(super) relations: Option<Spanned<Vec<PlacedText>>>,
    #[serde(default)]
    pub(super) id_prefixes: Option<Spanned<Vec<PlacedText>>>,
    #[serde(default)]
    pub(super) shared: Option<Spanned<Vec<PlacedText>>>,
}

/// `[[keys]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct KeyContent {
    pub(super) name: PlacedText,
    #[serde(default)]
    pub(super) sha256: Option<PlacedText>,
    #[serde(default)]
    pub(super) key: Option<PlacedText>,
    pub(super) roles: Spanned<Vec<PlacedText>>,
}

/// `[[certificates]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CertificateContent {
    pub(super) name: PlacedText,
    #[serde(default)]
    pub(super) common_name: Option<PlacedText>,
    #[serde(default)]
    pub(super) dns_name: Option<PlacedText>,
    #[serde(default)]
    pub(super) uri: Option<PlacedText>,
    #[serde(default)]
    pub(super) email: Option<PlacedText>,
    pub(super) roles: Spanned<Vec<PlacedText>>,
}
