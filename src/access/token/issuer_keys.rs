//! The public keys of an issuer: from a file, or from an address.

use super::key_set::KeySet;
use super::refusal::TokenRefusal;
use super::remote_keys::RemoteKeySet;
use jsonwebtoken::{Algorithm, DecodingKey};
use std::path::PathBuf;
use std::sync::Arc;

/// The public keys of an issuer.
#[derive(Debug)]
pub(in crate::access) enum IssuerKeys {
    /// From a file, as it was when the access file was read.
    File(PathBuf, KeySet),
    /// From an address. The file has the authorities that vouch for it, unless they are those of the system.
    Remote(Arc<RemoteKeySet>, Option<PathBuf>),
}

impl IssuerKeys {
    /// The key of a token with this key id and algorithm.
    pub(super) fn find(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
    ) -> Result<DecodingKey, TokenRefusal> {
        match self {
            Self::File(_, keys) => keys.find(id, algorithm).cloned().ok_or(TokenRefusal::Key),
            Self::Remote(keys, _) => keys.find(id, algorithm),
        }
    }

    /// The file that it was read from, if there is one.
    pub(in crate::access) fn file(&self) -> Option<&PathBuf> {
        match self {
            Self::File(path, _) => Some(path),
            Self::Remote(_, path) => path.as_ref(),
        }
    }
}
