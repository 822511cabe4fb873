//! Finds the caller of a call.

use super::file::{AccessFile, read_access_file};
use super::issuer_table::{IssuerTable, VerifiedTokens};
use super::key::{KeyHash, is_short_key};
use super::principal::{CertificateNameKind, Principal};
use super::token::{RemoteKeySet, TokenRefusal};
use crate::settings_file::SettingsFileError;
use arc_swap::ArcSwap;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use subtle::{ConditionallySelectable as _, ConstantTimeEq as _};

/// The callers that a server knows. What an access file says of them can be read again.
pub struct Callers {
    /// Those whose keys were given with the configuration.
    given: Vec<(KeyHash, Principal)>,
    has_short_key: bool,
    file: Option<PathBuf>,
    current: ArcSwap<CallerTable>,
    /// Rises with each reading of the access file.
    generation: AtomicU64,
}

/// The callers, as they are between two readings of the access file.
#[derive(Default)]
struct CallerTable {
    keys: Vec<(KeyHash, Principal)>,
    certificates: BTreeMap<(CertificateNameKind, String), Principal>,
    issuers: IssuerTable,
    /// Tokens that were verified with the keys of these issuers.
    verified: VerifiedTokens,
}

/// Keys that cannot protect anything, or an access file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallersError {
    /// There is no key.
    #[error("a server needs at least one preshared key")]
    Missing,
    /// A key is the empty text or has blanks around it, which no header can carry.
    #[error("a preshared key must not be empty and not start or end with a blank")]
    Blank,
    /// The access file.
    #[error(transparent)]
    File(#[from] SettingsFileError),
}

impl Callers {
    /// Callers without limits, by their keys, and those of an access file.
    pub fn new(keys: &[String], file: Option<&Path>) -> Result<Self, CallersError> {
        if keys.is_empty() && file.is_none() {
            return Err(CallersError::Missing);
        }
        if keys.iter().any(|key| key.is_empty() || key.trim() != key) {
            return Err(CallersError::Blank);
        }
        let named = |(index, key): (usize, &String)| {
            (KeyHash::from_key(key), Principal::unlimited(format!("preshared-{}", index + 1)))
        };
        let callers = Self {
            given: keys.iter().enumerate().map(named).collect(),
            has_short_key: keys.iter().any(|key| is_short_key(key)),
            file: file.map(Path::to_owned),
            current: ArcSwap::default(),
            generation: AtomicU64::new(0),
        };
        callers.reload()?;
        Ok(callers)
    }

    /// Reads the access file again. The callers remain as they are if it cannot be used.
    pub fn reload(&self) -> Result<(), SettingsFileError> {
        let mut table = CallerTable { keys: self.given.clone(), ..CallerTable::default() };
        if let Some(path) = &self.file {
            let given: Vec<KeyHash> = self.given.iter().map(|(hash, _)| *hash).collect();
            let AccessFile { keys, certificates, issuers, .. } = read_access_file(path, &given)?;
            table.keys.extend(keys);
            table.certificates = certificates;
            table.issuers = issuers;
            table.issuers.continue_from(&self.current.load().issuers);
        }
        self.current.store(Arc::new(table));
        // After the table: who reads this number looks at the table next.
        self.generation.fetch_add(1, Ordering::Release);
        Ok(())
    }

    /// The access file, and the key sets that it names.
    pub fn files(&self) -> Vec<PathBuf> {
        let key_sets = self.current.load().issuers.files();
        self.file.iter().cloned().chain(key_sets).collect()
    }

    /// The access file.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// Whether a key that was given is so short that it can be guessed.
    pub fn has_short_key(&self) -> bool {
        self.has_short_key
    }

    /// Changes when the access file is read again. Never 0.
    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The caller with a key. Compares with every key in full, so that the time it takes reveals nothing about them.
    pub fn by_key(&self, shown: &str) -> Option<Principal> {
        self.by_hash(&KeyHash::from_key(shown))
    }

    /// The caller with a key of this hash.
    pub(super) fn by_hash(&self, shown: &KeyHash) -> Option<Principal> {
        let table = self.current.load();
        let none = u64::MAX;
        let mut found = none;
        for (index, (hash, _)) in (0_u64..).zip(&table.keys) {
            found.conditional_assign(&index, hash.equals(shown));
        }
        if bool::from(found.ct_eq(&none)) {
            return None;
        }
        table.keys.get(usize::try_from(found).ok()?).map(|(_, caller)| caller.clone())
    }

    /// The caller with a token of an identity provider. `None` for what does not look like one, or where none is known.
    pub fn by_token(&self, shown: &str) -> Option<Result<Principal, TokenRefusal>> {
        let table = self.current.load();
        if table.issuers.is_empty() {
            return None;
        }
        let hash = KeyHash::from_key(shown);
        let now = jsonwebtoken::get_current_timestamp();
        let generation = match table.verified.find(&hash, now) {
            Ok(principal) => return Some(Ok(principal)),
            Err(generation) => generation,
        };
        let found = table.issuers.caller(shown)?;
        Some(found.map(|(principal, expires)| {
            table.verified.insert(&hash, principal.clone(), (expires, generation));
            principal
        }))
    }

    /// The sets of keys that are to be fetched from the addresses of issuers.
    pub fn remote_key_sets(&self) -> Vec<Arc<RemoteKeySet>> {
        self.current.load().issuers.remote_key_sets()
    }

    /// Forgets which tokens were verified, because the keys of an issuer are others now.
    pub fn forget_tokens(&self) {
        self.current.load().verified.forget();
    }

    /// The claims of a token of someone else than the caller, such as a user whom the caller serves. The issuer is given by its
    /// name in the access file; the audience is that of the access file without another. The token has to be valid, and needs
    /// to give no role. `None` when the access file has no such issuer.
    pub fn claims(
        &self,
        issuer: &str,
        audience: Option<&BTreeSet<String>>,
        token: &str,
    ) -> Option<Result<Map<String, Value>, TokenRefusal>> {
        self.current.load().issuers.claims(issuer, audience, token)
    }

    /// Whether the access file has an issuer of this name.
    pub fn has_issuer(&self, name: &str) -> bool {
        self.current.load().issuers.has(name)
    }

    /// Whether some certificate has a role.
    pub fn knows_certificates(&self) -> bool {
        !self.current.load().certificates.is_empty()
    }

    /// The caller with a certificate of these names, by the first of them that the access file names.
    pub fn by_certificate<'n>(
        &self,
        names: impl IntoIterator<Item = (CertificateNameKind, &'n str)>,
    ) -> Option<Principal> {
        let table = self.current.load();
        let mut names = names.into_iter();
        names.find_map(|(kind, name)| table.certificates.get(&(kind, name.to_owned())).cloned())
    }
}

/// Says how many keys there are, and none of them.
impl fmt::Debug for Callers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = self.current.load().keys.len();
        f.debug_struct("Callers")
            .field("keys", &count)
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}
