//! Finds the callers of tokens.

use super::key::KeyHash;
use super::principal::Principal;
use super::role::{FULL_ROLE, Role};
use super::token::{Issuer, IssuerKeys, RemoteKeySet, TokenCaller, TokenRefusal, issuer_name};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The most verified tokens that are remembered. When there are more, all are forgotten.
const REMEMBERED_MAX: usize = 10_000;

/// The identity providers of an access file, with the roles that their tokens can give.
#[derive(Default)]
pub struct IssuerTable {
    pub(super) issuers: Vec<Issuer>,
    pub(super) roles: BTreeMap<String, Role>,
}

/// Verified tokens, by their hash: a signature takes longer to verify than a check to answer.
#[derive(Default)]
pub(super) struct VerifiedTokens(Mutex<RememberedTokens>);

#[derive(Default)]
struct RememberedTokens {
    callers: HashMap<[u8; 32], (Principal, u64)>,
    /// Rises when all are forgotten because of other keys.
    generation: u64,
}

impl IssuerTable {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.issuers.is_empty()
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &str) -> bool {
        self.named(name).is_some()
    }

    /// The claims of a token that an issuer, given by its name in the access file, has made for an audience; without an
    /// audience, for that of the access file. `None` without such an issuer.
    pub(super) fn claims(
        &self,
        name: &str,
        audience: Option<&BTreeSet<String>>,
        token: &str,
    ) -> Option<Result<Map<String, Value>, TokenRefusal>> {
        let issuer = self.named(name)?;
        Some(issuer.claims(token, audience.unwrap_or(&issuer.audience)))
    }

    fn named(&self, name: &str) -> Option<&Issuer> {
        self.issuers.iter().find(|issuer| issuer.name == name)
    }

    /// The files of their keys, and of the authorities that vouch for the addresses of keys.
    pub fn files(&self) -> Vec<PathBuf> {
        self.issuers.iter().filter_map(|issuer| issuer.keys.file().cloned()).collect()
    }

    /// The sets of keys that are fetched.
    pub(super) fn remote_key_sets(&self) -> Vec<Arc<RemoteKeySet>> {
        self.issuers.iter().filter_map(|issuer| remote(issuer).cloned()).collect()
    }

    /// Takes over the fetched keys of an earlier table.
    pub(super) fn continue_from(&mut self, earlier: &Self) {
        for issuer in &mut self.issuers {
            let IssuerKeys::Remote(keys, _) = &mut issuer.keys else { continue };
            let mut known = earlier.issuers.iter().filter_map(remote);
            if let Some(known) = known.find(|known| known.source().url == keys.source().url) {
                *keys = Arc::clone(keys).continuing(known);
            }
        }
    }

    /// The names of the issuers, each with the values of its claim that give roles, and a caller whose token has that value
    /// alone.
    pub fn values(&self) -> impl Iterator<Item = (&str, Vec<(&str, Principal)>)> {
        self.issuers.iter().map(|issuer| {
            let callers = issuer.roles.iter().map(|(value, roles)| {
                (value.as_str(), self.principal(value.clone(), roles.iter()))
            });
            (issuer.name.as_str(), callers.collect())
        })
    }

    fn principal<'r>(
        &self,
        name: String,
        roles: impl Iterator<Item = &'r String> + Clone,
    ) -> Principal {
        if roles.clone().any(|role| role == FULL_ROLE) {
            return Principal::unlimited(name);
        }
        let roles: Vec<&Role> = roles.filter_map(|role| self.roles.get(role)).collect();
        Principal::limited(name, &roles)
    }

    /// The caller of a token, and when the token ends. `None` for what does not look like a token.
    pub(super) fn caller(&self, token: &str) -> Option<Result<(Principal, u64), TokenRefusal>> {
        let name = issuer_name(token)?;
        Some(name.and_then(|name| self.caller_of(&name, token)))
    }

    /// The caller of a token that names this issuer.
    fn caller_of(&self, issuer: &str, token: &str) -> Result<(Principal, u64), TokenRefusal> {
        let issuer = self.issuers.iter().find(|known| known.id == issuer);
        let TokenCaller { name, roles, expires } =
            issuer.ok_or(TokenRefusal::Issuer)?.verify(token)?;
        Ok((self.principal(name, roles.iter()), expires))
    }
}

fn remote(issuer: &Issuer) -> Option<&Arc<RemoteKeySet>> {
    match &issuer.keys {
        IssuerKeys::Remote(keys, _) => Some(keys),
        IssuerKeys::File(..) => None,
    }
}

impl fmt::Debug for IssuerTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.issuers.iter().map(|issuer| &issuer.name);
        f.debug_list().entries(names).finish()
    }
}

impl VerifiedTokens {
    /// The caller of a token that was verified before and has not ended; otherwise a number to remember it with.
    pub(super) fn find(&self, token: &KeyHash, now: u64) -> Result<Principal, u64> {
        let remembered = self.remembered();
        match remembered.callers.get(token.as_bytes()) {
            Some((principal, expires)) if now < *expires => Ok(principal.clone()),
            Some(_) | None => Err(remembered.generation),
        }
    }

    /// Remembers a token that was verified, unless all were forgotten since it was not found: its key may be gone.
    pub(super) fn insert(
        &self,
        token: &KeyHash,
        principal: Principal,
        (expires, generation): (u64, u64),
    ) {
        let mut remembered = self.remembered();
        if remembered.generation != generation {
            return;
        }
        if remembered.callers.len() >= REMEMBERED_MAX {
            remembered.callers.clear();
        }
        remembered.callers.insert(*token.as_bytes(), (principal, expires));
    }

    /// Forgets all, so that each is verified again with the keys that there are now.
    pub(super) fn forget(&self) {
        let mut remembered = self.remembered();
        remembered.generation += 1;
        remembered.callers.clear();
    }

    fn remembered(&self) -> MutexGuard<'_, RememberedTokens> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
