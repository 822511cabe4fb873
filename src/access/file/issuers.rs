//! The identity providers of an access file.

use super::content::IssuerContent;
use super::issuer_keys::issuer_keys;
use crate::access::role::{FULL_ROLE, Role};
use crate::access::token::Issuer;
use crate::settings_file::{MistakeList, PlacedText};
use jsonwebtoken::{Algorithm, AlgorithmFamily};
use std::collections::BTreeMap;
use std::path::Path;
use toml::Spanned;

/// The most seconds by which clocks may differ.
const CLOCK_SKEW_MAX: u64 = 600;
/// The seconds by which clocks may differ unless the file says otherwise.
const CLOCK_SKEW: u64 = 60;
/// The claim that names roles unless the file says otherwise.
const ROLES_CLAIM: &str = "roles";

/// Reads an identity provider. `folder` is that of the access file. `None` when its keys cannot be read, which is a mistake.
pub(super) fn issuer(
    mistakes: &mut MistakeList<'_>,
    content: &IssuerContent,
    roles: &BTreeMap<String, Role>,
    folder: &Path,
) -> Option<Issuer> {
    if content.audience.get_ref().is_empty() {
        mistakes.note(content.audience.span(), "audience must not be empty: name this server");
    }
    let clock_skew = content.clock_skew_seconds.as_ref().map_or(CLOCK_SKEW, |skew| {
        if *skew.get_ref() > CLOCK_SKEW_MAX {
            let message = format!("clock_skew_seconds must be at most {CLOCK_SKEW_MAX}");
            mistakes.note(skew.span(), message);
        }
        *skew.get_ref()
    });

    let algorithms = content.algorithms.get_ref().iter();
    let algorithms: Vec<Algorithm> =
        algorithms.filter_map(|name| algorithm(mistakes, name)).collect();
    if content.algorithms.get_ref().is_empty() {
        mistakes.note(
            content.algorithms.span(),
            "algorithms must not be empty: name some, such as \"RS256\"",
        );
    }
    let mut mapped = BTreeMap::new();
    for (value, names) in content.roles.iter().flat_map(Spanned::get_ref) {
        for name in names {
            if name.get_ref() != FULL_ROLE && !roles.contains_key(name.get_ref()) {
                mistakes.note(name.span(), format!("there is no role `{}`", name.get_ref()));
            }
        }
        let names = names.iter().map(|name| name.get_ref().clone()).collect();
        mapped.insert(value.clone(), names);
    }
    if let Some(roles) = content.roles.as_ref().filter(|_| mapped.is_empty()) {
        let message = "roles must not be empty: without one, no token gives a role; leave `roles` out for an issuer whose \
                       tokens name subjects of checks alone";
        mistakes.note(roles.span(), message);
    }

    let keys = issuer_keys(mistakes, content, folder)?;
    let audience = content.audience.get_ref().iter().map(|name| name.get_ref().clone()).collect();
    Some(Issuer {
        name: content.name.get_ref().clone(),
        id: content.issuer.get_ref().clone(),
        audience,
        algorithms,
        clock_skew,
        claim: content.roles_claim.clone().unwrap_or(ROLES_CLAIM.to_owned()),
        roles: mapped,
        keys,
    })
}

fn algorithm(mistakes: &mut MistakeList<'_>, name: &PlacedText) -> Option<Algorithm> {
    let parsed: Option<Algorithm> = name.get_ref().parse().ok();
    // With a symmetric algorithm, the public key would be the secret.
    let accepted = parsed.filter(|algorithm| algorithm.family() != AlgorithmFamily::Hmac);
    if accepted.is_none() {
        let message = "use RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 or EdDSA";
        mistakes.note(name.span(), format!("`{}` is not accepted: {message}", name.get_ref()));
    }
    accepted
}
