//! The public keys of an identity provider (a JSON Web Key Set, RFC 7517).

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, JwkSet, PublicKeyUse};
use jsonwebtoken::{Algorithm, AlgorithmFamily, DecodingKey};

/// The public keys of an identity provider.
#[derive(Debug, Default)]
pub(in crate::access) struct KeySet {
    keys: Vec<PublicKey>,
}

#[derive(Debug)]
struct PublicKey {
    id: Option<String>,
    /// The only algorithm that it is for, if it says so.
    algorithm: Option<Algorithm>,
    family: AlgorithmFamily,
    key: DecodingKey,
}

impl KeySet {
    /// Reads a key set. Keys that are for something else than signatures, or not public, are left out; none need be left.
    pub(in crate::access) fn parse(text: &str) -> Result<Self, String> {
        let set: JwkSet = serde_json::from_str(text)
            .map_err(|error| format!("it is no JSON Web Key Set: {error}"))?;
        let keys = set.keys.iter().filter_map(public_key).collect();
        Ok(Self { keys })
    }

    /// Whether no token can be verified with it.
    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The same set if it has a key.
    pub(in crate::access) fn require_key(self) -> Result<Self, String> {
        if self.is_empty() {
            return Err("it has no public key for signatures (kty RSA, EC or OKP)".to_owned());
        }
        Ok(self)
    }

    /// The key of a token with this key id and algorithm. A token without an id needs a set with one key for its algorithm.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Option<&DecodingKey> {
        let fits = |key: &&PublicKey| {
            key.family == algorithm.family()
                && key.algorithm.is_none_or(|only| only == algorithm)
                && id.is_none_or(|id| key.id.as_deref() == Some(id))
        };
        let mut found = self.keys.iter().filter(fits);
        let first = found.next()?;
        found.next().is_none().then_some(&first.key)
    }
}

fn public_key(jwk: &Jwk) -> Option<PublicKey> {
    let is_for_signatures =
        jwk.common.public_key_use.as_ref().is_none_or(|usage| *usage == PublicKeyUse::Signature);
    // A symmetric key would let its readers sign.
    let is_public = matches!(
        jwk.algorithm,
        AlgorithmParameters::RSA(_)
            | AlgorithmParameters::EllipticCurve(_)
            | AlgorithmParameters::OctetKeyPair(_)
    );
    if !is_for_signatures || !is_public {
        return None;
    }
    let algorithm = match jwk.common.key_algorithm {
        None => None,
        // One for an algorithm that no token can have is of no use.
        Some(named) => Some(named.to_string().parse().ok()?),
    };
    let key = DecodingKey::from_jwk(jwk).ok()?;
    Some(PublicKey { id: jwk.common.key_id.clone(), algorithm, family: key.family(), key })
}
