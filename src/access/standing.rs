//! Whether a caller whose call lasts long may still do what it could at the start.

use super::callers::Callers;
use super::key::KeyHash;
use super::principal::{CertificateNameKind, Principal};
use super::token::TokenRefusal;
use std::fmt;
use std::sync::Arc;

/// The caller of a call that lasts long, with what it has shown.
pub struct Standing {
    callers: Arc<Callers>,
    credential: Credential,
    principal: Principal,
    /// The reading of the access file for which this is known.
    generation: u64,
}

/// What a caller has shown.
pub enum Credential {
    /// A key.
    Key(KeyHash),
    /// A token of an identity provider.
    Token(String),
    /// A certificate with these names.
    Certificate(Vec<(CertificateNameKind, String)>),
}

/// Why a caller may no longer do what it could when its call began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Revocation {
    /// Its key or certificate is gone from the access file, or its roles are others.
    Changed,
    /// Its token is no longer accepted.
    Token(TokenRefusal),
}

impl Standing {
    /// That of a caller that was found by what it has shown.
    pub fn new(callers: Arc<Callers>, credential: Credential, principal: Principal) -> Self {
        // Before the callers are looked at again, so that a change meanwhile is noticed.
        let generation = 0;
        let mut standing = Self { callers, credential, principal, generation };
        // What it shows has just been accepted.
        let _ = standing.require_current();
        standing
    }

    /// Requires that the caller may still do the same. Costs one load of a number unless the access file was read again.
    pub fn require_current(&mut self) -> Result<(), Revocation> {
        let generation = self.callers.generation();
        // A token ends by itself. One that was verified before is found by its hash.
        if generation == self.generation && !matches!(self.credential, Credential::Token(_)) {
            return Ok(());
        }
        let found = match &self.credential {
            Credential::Key(hash) => self.callers.by_hash(hash),
            Credential::Token(token) => {
                self.callers.by_token(token).transpose().map_err(Revocation::Token)?
            }
            Credential::Certificate(names) => {
                self.callers.by_certificate(names.iter().map(|(kind, name)| (*kind, name.as_str())))
            }
        };
        if found.as_ref() != Some(&self.principal) {
            return Err(Revocation::Changed);
        }
        self.generation = generation;
        Ok(())
    }
}

impl fmt::Debug for Standing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Standing").field("principal", &self.principal).finish_non_exhaustive()
    }
}

/// Shows no hash.
impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Key(_) => "Key",
            Self::Token(_) => "Token",
            Self::Certificate(_) => "Certificate",
        })
    }
}
