//! A store at one revision.

use super::changelog::{self, ChangeLogEntry, ChangePosition};
use super::page::{ExpiryFilter, ScanPage, SchemaText};
use super::reader::SnapshotReader;
use super::row_cursor::{self, PastRevision, ReadAt};
use super::scan_budget::ScanBudget;
use super::scan_position::ScanPosition;
use crate::relationship::{
    IdPage, Qualifiers, ReadError, ReadPoint, RelationKey, RelationshipFilter, RelationshipReader,
    ResourceKey, Revision, SubjectForm, SubjectKey, Timestamp,
};
use crate::store::head::{HeadRecord, read_head};
use crate::store::inner::StoreInner;
use crate::store::layout::keys::RowKey;
use crate::store::layout::names::NameCatalog;
use crate::store::prepared::{NONE_PREPARED, PreparedRevisions};
use crate::store::rocks::column_family::Db;
use crate::store::rocks::source::{ReadSource, ReadTier};
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
/// Shows every write up to the revision and none after it, however long it exists. As long as it exists, what it shows stays
/// on disk.
pub struct Snapshot<'db> {
    inner: &'db StoreInner,
    frozen: SnapshotWithThreadMode<'db, Db>,
    tier: ReadTier,
    names: Arc<NameCatalog>,
    head: HeadRecord,
    /// The prepared revisions, where rows at this revision cannot be distinguished from others without them.
    prepared: Option<Arc<PreparedRevisions>>,
    revision: Revision,
    now: Timestamp,
    interrupted: &'db dyn Fn() -> bool,
}

impl<'db> Snapshot<'db> {
    /// The newest revision.
    pub(in crate::store) fn newest(
        inner: &'db StoreInner,
        now: Timestamp,
        tier: ReadTier,
    ) -> Result<Self, ReadError> {
        let newest = Self::frozen(inner, now, tier)?;
        let revision = newest.head.revision;
        newest.shown_at(revision)
    }

    /// What is stored now. No row can be read before [`Self::shown_at`].
    fn frozen(inner: &'db StoreInner, now: Timestamp, tier: ReadTier) -> Result<Self, ReadError> {
        let db = &inner.db;
        let frozen = SnapshotWithThreadMode::new(db);
        // Read after the snapshot was taken: names are published before the rows that use them.
        let names = inner.names();
        let head = read_head(ReadSource::snapshot(db, &frozen, tier))?;
        let revision = head.revision;
        let interrupted = &|| false;
        Ok(Self { inner, frozen, tier, names, head, prepared: None, revision, now, interrupted })
    }

    /// The same at a revision.
    fn shown_at(self, revision: Revision) -> Result<Self, ReadError> {
        let concerned = self.head.prepared.concerns(revision);
        let prepared = if concerned { Some(self.prepared()?) } else { None };
        Ok(Self { prepared, revision, ..self })
    }

    /// The prepared revisions of this state. Those in memory may be of another one.
    pub(super) fn prepared(&self) -> Result<Arc<PreparedRevisions>, ReadError> {
        let in_memory = self.inner.prepared();
        if in_memory.generation() == self.head.prepared.generation {
            return Ok(in_memory);
        }
        Ok(Arc::new(PreparedRevisions::read(self.source(), self.head.prepared)?))
    }

    /// An older revision, or the newest.
    pub(in crate::store) fn at(
        inner: &'db StoreInner,
        revision: Revision,
        now: Timestamp,
    ) -> Result<Self, SnapshotError> {
        let newest = Self::frozen(inner, now, ReadTier::Disk)?;
        let HeadRecord { revision: newest_revision, horizon, .. } = newest.head;
        if revision > newest_revision {
            return Err(SnapshotError::Future { revision, newest: newest_revision });
        }
        if revision < horizon {
            return Err(SnapshotError::Expired { revision, oldest: horizon });
        }
        Ok(newest.shown_at(revision)?)
    }

    /// A read point of the past: its revision, or the newest where that is older.
    pub(in crate::store) fn as_of(
        inner: &'db StoreInner,
        point: ReadPoint,
    ) -> Result<Self, SnapshotError> {
        let newest = Self::frozen(inner, point.time, ReadTier::Disk)?;
        let HeadRecord { revision: newest_revision, horizon, .. } = newest.head;
        let revision = point.revision.min(newest_revision);
        if revision < horizon {
            return Err(SnapshotError::Expired { revision, oldest: horizon });
        }

        // Read from the snapshot itself: it shows whatever is dropped after that.
        match newest.expirations_collected()? {
            Some(oldest) if point.time < oldest => {
                Err(SnapshotError::Time { time: point.time, oldest })
            }
            Some(_) | None => Ok(newest.shown_at(revision)?),
        }
    }

    /// The same snapshot for a caller that may stop waiting: `interrupted` is polled by long reads, and those fail once it
    /// returns `true`. Without it, a snapshot reads to the end.
    #[must_use]
    pub fn interrupted_by(self, interrupted: &'db dyn Fn() -> bool) -> Self {
        Self { interrupted, ..self }
    }

    /// Whether the caller has stopped waiting.
    pub fn interrupted(&self) -> &'db dyn Fn() -> bool {
        self.interrupted
    }

    /// A budget for scans: any number of rows, for as long as the caller waits.
    pub fn scan_budget(&self) -> ScanBudget<'db> {
        ScanBudget::new(self.interrupted)
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
        self.reader().schema_at(self.revision)
    }

    /// The revision that wrote the schema in force; 0 when none was written. Costs no read at the newest revision.
    pub fn schema_revision(&self) -> Result<Revision, ReadError> {
        if self.revision >= self.head.schema {
            return Ok(self.head.schema);
        }
        Ok(self.schema()?.map_or_else(Revision::default, |schema| schema.revision))
    }

    /// The relationships that a filter selects, at most `count_max` and only those after `after`, in a stable order.
    /// A position fits the same filter only.
    pub fn scan(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        count_max: usize,
        budget: &ScanBudget<'_>,
    ) -> Result<ScanPage, ReadError> {
        self.reader().scan(filter, after, count_max, budget)
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
        self.reader().scan_ordered(filter, after, count_max, budget)
    }

    /// Like [`Self::scan`], but with the relationships that have expired and not been collected yet.
    pub fn scan_stored(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        count_max: usize,
        budget: &ScanBudget<'_>,
    ) -> Result<ScanPage, ReadError> {
        SnapshotReader { expiry: ExpiryFilter::ShowAll, ..self.reader() }
            .scan(filter, after, count_max, budget)
    }

    /// How many relationships a filter selects after `after`, and where to continue if the budget was spent before the
    /// end was reached.
    pub fn count(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        budget: &ScanBudget<'_>,
    ) -> Result<(u64, Option<ScanPosition>), ReadError> {
        self.reader().count(filter, after, budget)
    }

    /// The changes after `after` up to this revision, oldest first, at most `count_max` changes, and
    /// fewer where they are large: there are no more only when none is given.
    ///
    /// Complete only when `after` is not older than [`Self::oldest_revision`].
    pub fn changes(
        &self,
        after: ChangePosition,
        count_max: usize,
    ) -> Result<Vec<(ChangePosition, ChangeLogEntry)>, ReadError> {
        // Asked for each page, because readers of the change log continue to its end.
        if (self.interrupted)() {
            return Err(ReadError::interrupted());
        }
        changelog::read(self.source(), &self.names, after, self.revision, count_max)
    }

    /// The changes before `before` that are kept, newest first, at most `count_max` changes, and fewer where they are large:
    /// there are no more only when none is given.
    pub fn changes_back(
        &self,
        before: ChangePosition,
        count_max: usize,
    ) -> Result<Vec<(ChangePosition, ChangeLogEntry)>, ReadError> {
        if (self.interrupted)() {
            return Err(ReadError::interrupted());
        }
        // A write in progress is not part of the snapshot.
        let before = before.min(ChangePosition::after(self.revision));
        changelog::read_back(self.source(), &self.names, before, self.head.horizon, count_max)
    }

    /// Whether a row was stored, expired or not.
    pub(in crate::store) fn stores(&self, row: &RowKey<'_>) -> Result<bool, ReadError> {
        let found = row_cursor::find(self.source(), self.reader().read_at, &row.by_resource())?;
        Ok(found.is_some())
    }

    pub(in crate::store) fn source(&self) -> ReadSource<'_> {
        ReadSource::snapshot(&self.inner.db, &self.frozen, self.tier)
    }

    pub(in crate::store) fn names(&self) -> &NameCatalog {
        &self.names
    }

    fn reader(&self) -> SnapshotReader<'_> {
        // A chunked write in progress has already changed the live rows, so they are read at the revision before it. A prepared
        // deletion has moved rows that exist to the deleted ones.
        let is_newest = self.revision == self.head.revision && self.head.unfinished.is_none();
        let read_at = match &self.prepared {
            None if is_newest => ReadAt::Newest,
            Some(prepared) if is_newest && prepared.unpublished_deletions().next().is_none() => {
                ReadAt::NewestBeside(prepared)
            }
            prepared => ReadAt::At(PastRevision {
                revision: self.revision,
                prepared: prepared.as_deref().unwrap_or(&NONE_PREPARED),
            }),
        };
        let expiry = ExpiryFilter::HideExpired(self.now);
        let (source, names, interrupted) = (self.source(), &self.names, self.interrupted);
        SnapshotReader { source, names, read_at, expiry, interrupted }
    }
}

impl RelationshipReader for Snapshot<'_> {
    fn find(
        &self,
        resource: ResourceKey<'_>,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Qualifiers>, ReadError> {
        self.reader().find(resource, subject)
    }

    fn subjects(
        &self,
        resource: ResourceKey<'_>,
        form: SubjectForm<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        self.reader().subjects(resource, form, page)
    }

    fn resources(
        &self,
        relation: RelationKey<'_>,
        subject: SubjectKey<'_>,
        page: IdPage<'_>,
    ) -> Result<Vec<(String, Qualifiers)>, ReadError> {
        self.reader().resources(relation, subject, page)
    }

    fn find_each(
        &self,
        relation: RelationKey<'_>,
        resource_ids: &[&str],
        subject: SubjectKey<'_>,
    ) -> Result<Vec<Option<Qualifiers>>, ReadError> {
        self.reader().find_each(relation, resource_ids, subject)
    }

    fn subjects_of_each(
        &self,
        relation: RelationKey<'_>,
        resource_ids: &[&str],
        form: SubjectForm<'_>,
        count_max: usize,
    ) -> Result<Vec<Vec<(String, Qualifiers)>>, ReadError> {
        self.reader().subjects_of_each(relation, resource_ids, form, count_max)
    }

    fn resources_of_each(
        &self,
        relation: RelationKey<'_>,
        form: SubjectForm<'_>,
        subject_ids: &[&str],
        page: IdPage<'_>,
    ) -> Result<Vec<Vec<(String, Qualifiers)>>, ReadError> {
        self.reader().resources_of_each(relation, form, subject_ids, page)
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
