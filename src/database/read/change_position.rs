//! Positions in the change feed.

use crate::relationship::{Revision, Timestamp};
use crate::store::{ChangePosition, ExpirationPosition};

/// A position in the change feed: in the change log, and, for watchers of expirations, in time.
///
/// A watcher without expirations has every relationship of the revision, expired or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchPosition {
    pub(super) change: ChangePosition,
    pub(super) expirations: Option<ExpirationPosition>,
}

impl WatchPosition {
    /// After all changes of a revision.
    pub fn after(revision: Revision) -> Self {
        Self { change: ChangePosition::after(revision), expirations: None }
    }

    /// Before a change.
    pub(super) fn before(change: ChangePosition) -> Self {
        Self { change, expirations: None }
    }

    /// After all changes of a revision, and after all expirations up to a time.
    pub fn at(revision: Revision, now: Timestamp) -> Self {
        let expirations = Some(ExpirationPosition::after(now));
        Self { expirations, ..Self::after(revision) }
    }

    /// The same position for a watcher of expirations. A position without a time gets the time of its revision, or `now`
    /// when that is earlier.
    #[must_use]
    pub fn with_expirations(self, now: Timestamp) -> Self {
        let known = || ExpirationPosition::after(self.revision().time().min(now));
        let expirations = self.expirations.clone().unwrap_or_else(known);
        Self { expirations: Some(expirations), ..self }
    }

    /// The same position for a watcher without expirations.
    #[must_use]
    pub fn without_expirations(self) -> Self {
        Self { expirations: None, ..self }
    }

    /// The revision of the last change before the position.
    pub fn revision(&self) -> Revision {
        self.change.revision
    }

    /// The time up to which expirations were delivered; `None` for a watcher without expirations.
    pub fn expirations_until(&self) -> Option<Timestamp> {
        self.expirations.as_ref().map(ExpirationPosition::time)
    }

    /// Whether another position is this one or an earlier one, both in the change log and in time.
    pub fn reaches(&self, other: &Self) -> bool {
        let in_time = match (&self.expirations, &other.expirations) {
            (Some(here), Some(there)) => here == there || here.time() > there.time(),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.change >= other.change && in_time
    }

    /// Encodes the position: as the revision alone, where that is enough.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.expirations {
            None if !self.change.is_within() => self.revision().0.to_be_bytes().to_vec(),
            None => self.change.to_bytes(),
            Some(expirations) => [self.change.to_bytes(), expirations.to_bytes()].concat(),
        }
    }

    /// Decodes a position; `None` for other bytes.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(revision) = bytes.try_into() {
            return Some(Self::after(Revision(u64::from_be_bytes(revision))));
        }
        let (change, rest) = ChangePosition::take(bytes)?;
        let expirations = match rest {
            [] => None,
            rest => Some(ExpirationPosition::from_bytes(rest)?),
        };
        Some(Self { change, expirations })
    }

    /// The oldest revision that must be kept so that the feed can be read from here.
    pub(super) fn pinned_revision(&self) -> Revision {
        let within = u64::from(self.change.is_within());
        Revision(self.revision().0.saturating_sub(within))
    }
}
