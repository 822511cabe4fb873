//! Signatures of tokens, verified by ring.

use jsonwebtoken::crypto::{CryptoProvider, JwtVerifier, KeyUtils};
use jsonwebtoken::errors::{Error, ErrorKind};
use jsonwebtoken::signature::{self, Verifier};
use jsonwebtoken::{Algorithm, DecodingKey, DecodingKeyKind};
use ring::signature as ring;

/// Verifies the signatures of the algorithms with public keys, and of no others.
static PROVIDER: CryptoProvider = CryptoProvider {
    signer_factory: |_, _| Err(Error::from(ErrorKind::UnsupportedAlgorithm)),
    verifier_factory: |algorithm, key| {
        if algorithm.family() != key.family() {
            return Err(Error::from(ErrorKind::InvalidKeyFormat));
        }
        Ok(Box::new(RingVerifier { algorithm: *algorithm, key: key.clone() }))
    },
    // Called for private keys and thumbprints alone, which play no part here.
    key_utils: KeyUtils::new_unimplemented(),
};

/// Makes ring the verifier of this process.
pub(super) fn install() {
    // An error says that one is installed already: this one, because no other code has one.
    let _ = PROVIDER.install_default();
}

/// Verifies with one key.
struct RingVerifier {
    algorithm: Algorithm,
    key: DecodingKey,
}

impl Verifier<Vec<u8>> for RingVerifier {
    fn verify(&self, message: &[u8], signature: &Vec<u8>) -> Result<(), signature::Error> {
        let verified = match self.key.kind() {
            DecodingKeyKind::RsaModulusExponent { n, e } => rsa(self.algorithm).map(|parameters| {
                ring::RsaPublicKeyComponents { n, e }.verify(parameters, message, signature)
            }),
            DecodingKeyKind::SecretOrDer(bytes) => curve(self.algorithm).map(|parameters| {
                ring::UnparsedPublicKey::new(parameters, bytes).verify(message, signature)
            }),
        };
        verified.and_then(Result::ok).ok_or_else(signature::Error::new)
    }
}

impl JwtVerifier for RingVerifier {
    fn algorithm(&self) -> Algorithm {
        self.algorithm
    }
}

fn rsa(algorithm: Algorithm) -> Option<&'static ring::RsaParameters> {
    let known = [
        (Algorithm::RS256, &ring::RSA_PKCS1_2048_8192_SHA256),
        (Algorithm::RS384, &ring::RSA_PKCS1_2048_8192_SHA384),
        (Algorithm::RS512, &ring::RSA_PKCS1_2048_8192_SHA512),
        (Algorithm::PS256, &ring::RSA_PSS_2048_8192_SHA256),
        (Algorithm::PS384, &ring::RSA_PSS_2048_8192_SHA384),
        (Algorithm::PS512, &ring::RSA_PSS_2048_8192_SHA512),
    ];
    known.into_iter().find(|(name, _)| *name == algorithm).map(|(_, parameters)| parameters)
}

fn curve(algorithm: Algorithm) -> Option<&'static dyn ring::VerificationAlgorithm> {
    let known: [(Algorithm, &'static dyn ring::VerificationAlgorithm); 3] = [
        (Algorithm::ES256, &ring::ECDSA_P256_SHA256_FIXED),
        (Algorithm::ES384, &ring::ECDSA_P384_SHA384_FIXED),
        (Algorithm::EdDSA, &ring::ED25519),
    ];
    known.into_iter().find(|(name, _)| *name == algorithm).map(|(_, parameters)| parameters)
}
