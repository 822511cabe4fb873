//! Callers that are known.

use super::ability::{Ability, abilities};
use super::method::method_name;
use super::permit::{AccessRefusal, CallPermit};
use super::role::{Role, permits};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// Who calls: the name of a key or certificate, and what it may do. Cheap to clone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    name: Arc<str>,
    /// `None` for a caller without limits.
    limits: Option<Arc<PrincipalLimits>>,
}

/// What a caller with roles may do.
#[derive(Debug, PartialEq, Eq)]
struct PrincipalLimits {
    permits: HashMap<&'static str, Arc<CallPermit>>,
    /// The methods that its roles name, also those that need more than the roles give.
    named: BTreeSet<&'static str>,
}

/// A kind of name in a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CertificateNameKind {
    /// The common name of the subject.
    CommonName,
    /// A DNS name among the alternative names.
    DnsName,
    /// A URI among them.
    Uri,
    /// An e-mail address among them.
    Email,
}

impl Principal {
    /// A caller that may do everything.
    pub(super) fn unlimited(name: impl Into<Arc<str>>) -> Self {
        Self { name: name.into(), limits: None }
    }

    /// A caller with roles.
    pub(super) fn limited(name: impl Into<Arc<str>>, roles: &[&Role]) -> Self {
        let named = roles.iter().flat_map(|role| role.methods.iter().copied()).collect();
        let limits = PrincipalLimits { permits: permits(roles), named };
        Self { name: name.into(), limits: Some(Arc::new(limits)) }
    }

    /// The name, for logs.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// What the caller may do with a method, given by its path; `None` when it may do everything.
    pub fn permit(&self, path: &str) -> Result<Option<&Arc<CallPermit>>, AccessRefusal> {
        let Some(limits) = &self.limits else { return Ok(None) };
        match limits.permits.get(path) {
            Some(permit) => Ok(Some(permit)),
            None => Err(AccessRefusal::Method {
                method: method_name(path).to_owned(),
                is_limited: limits.named.contains(path),
            }),
        }
    }

    /// What it may do; `None` when it may call every method on all data.
    pub fn abilities(&self) -> Option<Vec<Ability>> {
        Some(abilities(&self.limits.as_ref()?.permits))
    }
}
