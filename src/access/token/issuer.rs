//! An identity provider, and what its tokens say.

use super::claim_set::ClaimSet;
use super::issuer_keys::IssuerKeys;
use super::refusal::TokenRefusal;
use super::ring_verifier;
use jsonwebtoken::dangerous::insecure_decode_claims;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 8 << 10;
/// The most characters of a subject, as OpenID Connect has it.
const SUBJECT_CHARS_MAX: usize = 255;

/// An identity provider whose tokens are accepted.
#[derive(Debug)]
pub(in crate::access) struct Issuer {
    /// The name, for the names of its callers.
    pub(in crate::access) name: String,
    /// The value of the claim `iss`.
    pub(in crate::access) id: String,
    /// The values of which the claim `aud` has to have one.
    pub(in crate::access) audience: BTreeSet<String>,
    /// The algorithms that are accepted.
    pub(in crate::access) algorithms: Vec<Algorithm>,
    /// Seconds by which clocks may differ.
    pub(in crate::access) clock_skew: u64,
    /// The claim that names roles; a path with dots.
    pub(in crate::access) claim: String,
    /// The roles of the access file for each value of the claim.
    pub(in crate::access) roles: BTreeMap<String, Vec<String>>,
    /// Its public keys.
    pub(in crate::access) keys: IssuerKeys,
}

/// What a token says that was found right.
#[derive(Debug)]
pub(in crate::access) struct TokenCaller {
    /// The name for logs: that of the issuer and the subject.
    pub(in crate::access) name: String,
    /// The names of its roles in the access file, each once; at least one.
    pub(in crate::access) roles: BTreeSet<String>,
    /// When the token ends, in seconds since the start of 1970, the clock skew included.
    pub(in crate::access) expires: u64,
}

impl Issuer {
    /// Verifies a token of this issuer that is meant for this server, and reads what it says of its caller.
    pub(in crate::access) fn verify(&self, token: &str) -> Result<TokenCaller, TokenRefusal> {
        let claims = self.claims(token, &self.audience)?;
        let subject = subject_of(&claims)?;
        let expires = claims.get("exp").and_then(seconds).ok_or(TokenRefusal::Claims)?;
        let roles = self.roles_of(&claims);
        if roles.is_empty() {
            return Err(TokenRefusal::Roles);
        }
        let name = format!("{}/{subject}", self.name);
        Ok(TokenCaller { name, roles, expires: expires.saturating_add(self.clock_skew) })
    }

    /// Verifies a token of this issuer for an audience, and gives its claims.
    pub(in crate::access) fn claims(
        &self,
        token: &str,
        audience: &BTreeSet<String>,
    ) -> Result<Map<String, Value>, TokenRefusal> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenRefusal::Invalid);
        }
        ring_verifier::install();
        let header = decode_header(token).map_err(|_| TokenRefusal::Invalid)?;
        // Before anything else is believed of the header: the algorithm is ours to choose, not the token's.
        if !self.algorithms.contains(&header.alg) {
            return Err(TokenRefusal::Algorithm);
        }
        let key = self.keys.find(header.kid.as_deref(), header.alg)?;

        let mut validation = Validation::new(header.alg);
        validation.leeway = self.clock_skew;
        validation.validate_nbf = true;
        validation.set_issuer(&[&self.id]);
        validation.set_audience(&audience.iter().collect::<Vec<_>>());
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let decoded = decode::<ClaimSet>(token, &key, &validation);
        let ClaimSet { claims, has_repeated } =
            decoded.map_err(|error| refusal(error.kind()))?.claims;
        if has_repeated { Err(TokenRefusal::RepeatedClaim) } else { Ok(claims) }
    }

    /// The roles that the values of the claim stand for.
    fn roles_of(&self, claims: &Map<String, Value>) -> BTreeSet<String> {
        let mut names = self.claim.split('.');
        let first = names.next().and_then(|name| claims.get(name));
        let value = names.try_fold(first, |value, name| Some(value?.get(name))).flatten();
        let mut texts = Vec::new();
        if let Some(Value::Array(values)) = value {
            texts.extend(values.iter().filter_map(Value::as_str));
        } else if let Some(Value::String(text)) = value {
            // As `scope` is written.
            texts.extend(text.split(' '));
        }
        texts.iter().filter_map(|text| self.roles.get(*text)).flatten().cloned().collect()
    }
}

/// The issuer that a token names, unverified. `None` for what is no token, and for what looks like none.
pub(in crate::access) fn issuer_name(token: &str) -> Option<Result<String, TokenRefusal>> {
    if token.len() > TOKEN_BYTES_MAX || token.bytes().filter(|byte| *byte == b'.').count() != 2 {
        return None;
    }
    let ClaimSet { claims, has_repeated } = insecure_decode_claims(token).ok()?;
    if has_repeated {
        // Not even its issuer is certain.
        return Some(Err(TokenRefusal::RepeatedClaim));
    }
    let name = claims.get("iss").and_then(Value::as_str);
    Some(name.map(str::to_owned).ok_or(TokenRefusal::IssuerClaim))
}

/// The subject of a token, which names its caller in logs as it is.
fn subject_of(claims: &Map<String, Value>) -> Result<&str, TokenRefusal> {
    let subject = claims.get("sub").and_then(Value::as_str).filter(|subject| !subject.is_empty());
    let subject = subject.ok_or(TokenRefusal::Claims)?;
    let is_name =
        subject.chars().count() <= SUBJECT_CHARS_MAX && !subject.chars().any(char::is_control);
    if is_name { Ok(subject) } else { Err(TokenRefusal::Subject) }
}

/// A time as a token has it: a whole number, or one with a fraction.
fn seconds(value: &Value) -> Option<u64> {
    value.as_u64().or_else(|| {
        let seconds = std::time::Duration::try_from_secs_f64(value.as_f64()?).ok()?;
        Some(seconds.as_secs())
    })
}

fn refusal(error: &ErrorKind) -> TokenRefusal {
    let known = [
        (
            matches!(error, ErrorKind::ExpiredSignature | ErrorKind::ImmatureSignature),
            TokenRefusal::Time,
        ),
        (matches!(error, ErrorKind::InvalidIssuer), TokenRefusal::Issuer),
        (matches!(error, ErrorKind::InvalidAudience), TokenRefusal::Audience),
        (
            matches!(error, ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_)),
            TokenRefusal::Claims,
        ),
    ];
    let found = known.into_iter().find(|(is_it, _)| *is_it);
    found.map_or(TokenRefusal::Invalid, |(_, refusal)| refusal)
}
