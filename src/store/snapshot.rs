//! A store at one revision.

use super::budget::ScanBudget;
use super::changelog::{self, Change, ChangePosition};
use super::handle::Store;
use super::keys::RowKey;
use super::names::Names;
use super::plan::ScanPosition;
use super::reads::{Reads, ScanPage, SchemaText, Shown};
use super::rocks::{Db, Reach, Source};
use super::rows::{self, Moment};
use super::values::Head;
use crate::relationship::{
    Page, ReadError, ReadPoint, RelationKey, RelationshipFilter, RelationshipReader, ResourceKey,
    Revision, SubjectForm, SubjectKey, Terms, Timestamp,
};
use rocksdb::SnapshotWithThreadMode;
use std::fmt;
use std::sync::Arc;

/// A revision that cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Its history has been collected.
    #[error("revision {revision} is no longer kept: the oldest one is {oldest}")]
    Expired {
        /// The revision asked for.
        revision: Revision,
        /// The oldest one that can be read.
        oldest: Revision,
    },
    /// It has not been made yet.
    #[error("revision {revision} does not exist yet: the newest one is {newest}")]
    Future {
        /// The revision asked for.
        revision: Revision,
        /// The newest one.
        newest: Revision,
    },
    /// Relationships that expired after its time have been collected.
    #[error("the time {time} lies before the history that is kept, which begins at {oldest}")]
    Time {
        /// The time asked for.
        time: Timestamp,
        /// The oldest one that can be read.
        oldest: Timestamp,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// Relationships and schema at one revision, without the relationships that have expired by one time.
///
/// Sees every write up to the revision and none after it, however long it is held. Holding one keeps what it sees on
/// disk.
pub struct Snapshot<'db> {
    db: &'db Db,
    frozen: SnapshotWithThreadMode<'db, Db>,
    reach: Reach,
    names: Arc<Names>,
    head: Head,
    revision: Revision,
    now: Timestamp,
}

impl<'db> Snapshot<'db> {
    /// The newest revision.
    pub(super) fn newest(
        store: &'db Store,
        now: Timestamp,
        reach: Reach,
    ) -> Result<Self, ReadError> {
        let db = store.db();
        let frozen = SnapshotWithThreadMode::new(db);
        // Read after the snapshot was taken: names are published before the rows that use them.
        let names = store.names();
        let head = super::handle::read_head(Source::snapshot(db, &frozen, reach))?;
        Ok(Self { db, frozen, reach, names, head, revision: head.revision, now })
    }

    /// An older revision, or the newest.
    pub(super) fn at(
        store: &'db Store,
        revision: Revision,
        now: Timestamp,
    ) -> Result<Self, SnapshotError> {
        let newest = Self::newest(store, now, Reach::Disk)?;
        let Head { revision: newest_revision, horizon, .. } = newest.head;
        if revision > newest_revision {
            return Err(SnapshotError::Future { revision, newest: newest_revision });
        }
        if revision < horizon {
            return Err(SnapshotError::Expired { revision, oldest: horizon });
        }
        Ok(Self { revision, ..newest })
    }

    /// A read point of the past: its revision, or the newest where that is older.
    pub(super) fn as_of(store: &'db Store, point: ReadPoint) -> Result<Self, SnapshotError> {
        let newest = Self::newest(store, point.time, Reach::Disk)?;
        let Head { revision: newest_revision, horizon, .. } = newest.head;
        let revision = point.revision.min(newest_revision);
        if revision < horizon {
            return Err(SnapshotError::Expired { revision, oldest: horizon });
        }

        // Read from the snapshot itself: it shows whatever is dropped after that.
        match newest.expirations_collected()? {
            Some(oldest) if point.time < oldest => {
                Err(SnapshotError::Time { time: point.time, oldest })
            }
            Some(_) | None => Ok(Self { revision, ..newest }),
        }
    }

    /// The revision.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The newest revision that the store had when the snapshot was made.
    pub fn newest_revision(&self) -> Revision {
        self.head.revision
    }

    /// The oldest revision that could be read when the snapshot was made.
    pub fn oldest_revision(&self) -> Revision {
        self.head.horizon
    }

    /// The schema that is in force.
    pub fn schema(&self) -> Result<Option<SchemaText>, ReadError> {
        self.reads().schema_at(self.revision)
    }

    /// The revision that wrote the schema in force; 0 when none was written. Costs no read at the newest revision.
    pub fn schema_revision(&self) -> Result<Revision, ReadError> {
        if self.revision >= self.head.schema {
            return Ok(self.head.schema);
        }
        Ok(self.schema()?.map_or_else(Revision::default, |schema| schema.revision))
    }

    /// The relationships that a filter selects, at most `count_max` and only those behind `after`, in a stable order.
    /// A position fits the same filter only.
    pub fn scan(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        count_max: usize,
        budget: &ScanBudget<'_>,
    ) -> Result<ScanPage, ReadError> {
        self.reads().scan(filter, after, count_max, budget)
    }

    /// The same in the order of resource type, resource id, relation, subject type, subject id and subject relation, as
    /// texts: the same in every store with the same relationships. A position fits ordered reads by the same filter only.
    pub fn scan_ordered(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        count_max: usize,
        budget: &ScanBudget<'_>,
    ) -> Result<ScanPage, ReadError> {
        self.reads().scan_ordered(filter, after, count_max, budget)
    }

    /// Like [`Self::scan`], but with the relationships that have expired and not been collected yet.
    pub fn scan_stored(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        count_max: usize,
        budget: &ScanBudget<'_>,
    ) -> Result<ScanPage, ReadError> {
        Reads { shown: Shown::Stored, ..self.reads() }.scan(filter, after, count_max, budget)
    }

    /// How many relationships a filter selects behind `after`, and where to continue if the budget was spent before the
    /// end was reached.
    pub fn count(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        budget: &ScanBudget<'_>,
    ) -> Result<(u64, Option<ScanPosition>), ReadError> {
        self.reads().count(filter, after, budget)
    }

    /// What was changed behind `after` and up to this revision, oldest first, at most `count_max` changes, and
    /// fewer where they are large: there are no more only when none is given.
    ///
    /// Complete only when `after` is not older than [`Self::oldest_revision`].
    pub fn changes(
        &self,
        after: ChangePosition,
        count_max: usize,
    ) -> Result<Vec<(ChangePosition, Change)>, ReadError> {
        changelog::read(self.source(), &self.names, after, self.revision, count_max)
    }

    /// Whether a row was stored, expired or not.
    pub(super) fn stores(&self, row: &RowKey<'_>) -> Result<bool, ReadError> {
        let found = rows::find(self.source(), self.reads().moment, &row.by_resource())?;
        Ok(found.is_some())
    }

    pub(super) fn source(&self) -> Source<'_> {
        Source::snapshot(self.db, &self.frozen, self.reach)
    }

    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    fn reads(&self) -> Reads<'_> {
        // A write in the making has already changed what lives.
        let moment = if self.revision == self.head.revision && self.head.unfinished.is_none() {
            Moment::Newest
        } else {
            Moment::At(self.revision)
        };
        let shown = Shown::Unexpired(self.now);
        Reads { source: self.source(), names: &self.names, moment, shown }
    }
}

impl RelationshipReader for Snapshot<'_> {
    fn find(
        &self,
        resource: ResourceKey<'_>,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Terms>, ReadError> {
        self.reads().find(resource, subject)
    }

    fn subjects(
        &self,
        resource: ResourceKey<'_>,
        form: SubjectForm<'_>,
        page: Page<'_>,
    ) -> Result<Vec<(String, Terms)>, ReadError> {
        self.reads().subjects(resource, form, page)
    }

    fn resources(
        &self,
        relation: RelationKey<'_>,
        subject: SubjectKey<'_>,
        page: Page<'_>,
    ) -> Result<Vec<(String, Terms)>, ReadError> {
        self.reads().resources(relation, subject, page)
    }
}

impl fmt::Debug for Snapshot<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot")
            .field("revision", &self.revision)
            .field("head", &self.head)
            .field("now", &self.now)
            .finish_non_exhaustive()
    }
}
