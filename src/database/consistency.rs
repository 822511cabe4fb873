//! Which revision a read may see.

use super::error::DatabaseError;
use crate::relationship::{ReadPoint, Revision, Timestamp};
use crate::store::{Snapshot, SnapshotError, Store};

/// The consistency that a caller requires of a read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// Whatever is quickest. That is the newest revision: reading it costs nothing extra.
    #[default]
    MinimizeLatency,
    /// This revision or a newer one.
    AtLeastAsFresh(Revision),
    /// Exactly this revision.
    AtExactSnapshot(Revision),
    /// Exactly this revision, or the newest where that is older, without what had expired by this time.
    AsOf(ReadPoint),
    /// The newest revision.
    FullyConsistent,
}

impl Consistency {
    /// The same for a later call that continues at the revision of an earlier one, without what has expired since.
    #[must_use]
    pub fn exactly(self, revision: Revision) -> Self {
        match self {
            Self::AsOf(point) => Self::AsOf(ReadPoint { revision, ..point }),
            Self::MinimizeLatency
            | Self::AtLeastAsFresh(_)
            | Self::AtExactSnapshot(_)
            | Self::FullyConsistent => Self::AtExactSnapshot(revision),
        }
    }

    /// The time for which relationships count as expired or not.
    pub(super) fn time(self, now: Timestamp) -> Timestamp {
        match self {
            Self::AsOf(point) => point.time,
            Self::MinimizeLatency
            | Self::AtLeastAsFresh(_)
            | Self::AtExactSnapshot(_)
            | Self::FullyConsistent => now,
        }
    }

    /// The newest snapshot, without waiting for a disk, if that serves it.
    pub(super) fn snapshot_cached(self, store: &Store, now: Timestamp) -> Option<Snapshot<'_>> {
        let snapshot = store.snapshot_cached(now).ok()?;
        let serves = match self {
            Self::MinimizeLatency | Self::FullyConsistent => true,
            Self::AtLeastAsFresh(revision) => revision <= snapshot.revision(),
            Self::AtExactSnapshot(revision) => revision == snapshot.revision(),
            Self::AsOf(_) => false,
        };
        serves.then_some(snapshot)
    }

    /// The snapshot that serves it.
    pub(super) fn snapshot(
        self,
        store: &Store,
        now: Timestamp,
    ) -> Result<Snapshot<'_>, DatabaseError> {
        match self {
            Self::MinimizeLatency | Self::FullyConsistent => Ok(store.snapshot(now)?),
            Self::AtLeastAsFresh(revision) => {
                let snapshot = store.snapshot(now)?;
                let newest = snapshot.revision();
                if revision > newest {
                    return Err(SnapshotError::Future { revision, newest }.into());
                }
                Ok(snapshot)
            }
            Self::AtExactSnapshot(revision) => Ok(store.snapshot_at(revision, now)?),
            Self::AsOf(point) => Ok(store.snapshot_as_of(point)?),
        }
    }
}
