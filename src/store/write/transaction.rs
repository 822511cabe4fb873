//! A write transaction: reads the newest state and changes it.

use super::batch::WriteBatch;
use super::chunked::ChunkedWrite;
use super::clock::WriteClock;
use super::error::TransactionError;
use super::options::IsInterrupted;
use super::spill::SpillFile;
use crate::relationship::{
    Context, IdPage, Qualifiers, ReadError, RelationKey, Relationship, RelationshipFilter,
    RelationshipReader, ResourceKey, Revision, SubjectForm, SubjectKey, Timestamp,
};
use crate::store::layout::corrupt_bytes::CorruptBytes;
use crate::store::layout::keys::{self, RowKey};
use crate::store::layout::log_keys;
use crate::store::layout::values::{self, ChangeRecord};
use crate::store::prepared::BELOW_MARKS;
use crate::store::read::changelog::{self, ChangeLogEntry, ChangePosition};
use crate::store::read::decode;
use crate::store::read::page::{ExpiryFilter, ScanPage, SchemaText};
use crate::store::read::reader::SnapshotReader;
use crate::store::read::row_cursor::{PastRevision, ReadAt};
use crate::store::read::scan_budget::ScanBudget;
use crate::store::read::scan_position::ScanPosition;
use crate::store::rocks::column_family::ColumnFamily;
use std::fmt;

/// A write in progress. Its reads see its changes; no snapshot sees them before the commit.
pub struct Transaction<'t> {
    pub(in crate::store) batch: WriteBatch<'t>,
    /// Commits the changes so far when the write may be larger than memory.
    chunked: Option<ChunkedWrite<'t>>,
    now: Timestamp,
    interrupted: IsInterrupted,
    clock: WriteClock,
}

impl<'t> Transaction<'t> {
    /// A transaction for the current write of `batch`.
    pub(in crate::store) fn new(
        batch: WriteBatch<'t>,
        chunked: Option<ChunkedWrite<'t>>,
        now: Timestamp,
        interrupted: IsInterrupted,
        clock: WriteClock,
    ) -> Self {
        Self { batch, chunked, now, interrupted, clock }
    }

    /// Ends the transaction. Its changes are not committed yet.
    pub(in crate::store) fn into_parts(self) -> (WriteBatch<'t>, Option<ChunkedWrite<'t>>) {
        (self.batch, self.chunked)
    }

    /// The revision that the write will have.
    pub fn revision(&self) -> Revision {
        self.batch.revision()
    }

    /// The time of the write: when the writer began it.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The present time, for work that runs so long that it may matter.
    pub fn present(&self) -> Timestamp {
        self.clock.now()
    }

    /// A budget for scans: any number of rows, for as long as the caller waits.
    pub fn scan_budget(&self) -> ScanBudget<'_> {
        ScanBudget::new(&*self.interrupted)
    }

    /// The oldest revision whose later changes are all known.
    pub fn oldest_revision(&self) -> Revision {
        self.batch.head.horizon
    }

    /// The schema in force, with the changes of this write.
    pub fn schema(&self) -> Result<Option<SchemaText>, ReadError> {
        self.reader().schema_at(self.revision())
    }

    /// The revision that wrote the schema in force; 0 when no schema was written. Costs no read.
    pub fn schema_revision(&self) -> Revision {
        self.batch.head.schema
    }

    /// Unexpired relationships that a filter selects; see [`Snapshot::scan`](crate::store::Snapshot::scan).
    pub fn scan(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        count_max: usize,
        budget: &ScanBudget<'_>,
    ) -> Result<ScanPage, ReadError> {
        self.reader().scan(filter, after, count_max, budget)
    }

    /// Like [`Self::scan`], but with the relationships that have expired and have not been collected yet.
    pub fn scan_stored(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        count_max: usize,
        budget: &ScanBudget<'_>,
    ) -> Result<ScanPage, ReadError> {
        let reader = SnapshotReader { expiry: ExpiryFilter::ShowAll, ..self.reader() };
        reader.scan(filter, after, count_max, budget)
    }

    /// The changes after a position, those of this write included; see
    /// [`Snapshot::changes`](crate::store::Snapshot::changes).
    pub fn changes(
        &self,
        after: ChangePosition,
        count_max: usize,
    ) -> Result<Vec<(ChangePosition, ChangeLogEntry)>, ReadError> {
        let batch = &self.batch;
        changelog::read(batch.source(), batch.names(), after, batch.revision(), count_max)
    }

    /// Adds a relationship. `false`, and no change, when one with the same key is stored, expired or not.
    pub fn create(&mut self, relationship: &Relationship) -> Result<bool, TransactionError> {
        let exists = match self.known_key(relationship) {
            Some(row) => self.batch.live_row(&row.by_resource())?.is_some(),
            None => false,
        };
        if !exists {
            let qualifiers = self.qualifiers(relationship)?;
            let row = self.new_key(relationship)?;
            self.insert(&row, &row.by_resource(), &qualifiers, false)?;
        }
        Ok(!exists)
    }

    /// Adds the relationships of a spill file, which are few, until one is met whose key is stored already, expired or not;
    /// returns that one. For any number of them there is [`Store::prepare`](crate::store::Store::prepare).
    pub fn create_from_spill(
        &mut self,
        spill_file: &mut SpillFile,
    ) -> Result<Option<Relationship>, TransactionError> {
        let mut ids = Vec::new();
        for name in spill_file.names().texts() {
            ids.push(self.batch.name(name)?);
        }
        spill_file.rows(|row, qualifiers| {
            let (row, qualifiers) = (row.renamed(&ids)?, values::renamed(qualifiers, &ids)?);
            let key = row.by_resource();
            if self.batch.live_row(&key)?.is_some() {
                let names = self.batch.names();
                let qualifiers = values::decode_qualifiers(&qualifiers, names)?;
                return Ok(Some(decode::relationship(names, &row, qualifiers)?));
            }
            self.insert(&row, &key, &qualifiers, false)?;
            Ok(None)
        })
    }

    /// Adds a relationship, or replaces caveat and expiration of the one with the same key. `false`, and no change, when it
    /// is stored with the same caveat and expiration already.
    pub fn put(&mut self, relationship: &Relationship) -> Result<bool, TransactionError> {
        let qualifiers = self.qualifiers(relationship)?;
        let row = self.new_key(relationship)?;
        let key = row.by_resource();
        let old = self.stored(&key)?;
        if old.as_ref().is_some_and(|old| old.qualifiers == qualifiers) {
            return Ok(false);
        }

        if let Some(old) = &old {
            self.batch.reclaim(&row, &key)?;
            self.tombstone(&row, &key, old)?;
        }
        self.insert(&row, &key, &qualifiers, old.is_some())?;
        Ok(true)
    }

    /// Removes the relationship with this key, whatever its caveat and expiration, expired or not. `false` when there is
    /// none.
    pub fn remove(&mut self, relationship: &Relationship) -> Result<bool, TransactionError> {
        let Some(row) = self.known_key(relationship) else { return Ok(false) };
        let key = row.by_resource();
        let Some(old) = self.stored(&key)? else { return Ok(false) };

        self.batch.reclaim(&row, &key)?;
        self.tombstone(&row, &key, &old)?;
        self.batch.clear(ColumnFamily::Live, &key)?;
        self.batch.clear(ColumnFamily::LiveBySubject, &row.by_subject())?;
        self.log(&ChangeRecord::Deleted(row))?;
        Ok(true)
    }

    /// Puts a schema into force.
    pub fn set_schema(&mut self, text: &str) -> Result<(), TransactionError> {
        let revision = self.revision();
        self.batch.head.schema = revision;
        self.batch.set(ColumnFamily::Schema, &log_keys::schema(revision), text.as_bytes())?;
        self.log(&ChangeRecord::SchemaWritten)
    }

    /// Adds metadata of the write to the change log. Call it before the changes that the metadata describe.
    pub fn set_metadata(&mut self, metadata: &Context) -> Result<(), TransactionError> {
        self.log(&ChangeRecord::Metadata(metadata.clone()))
    }

    /// Writes a row whose key is free, or whose old row has been moved to the deleted ones.
    fn insert(
        &mut self,
        row: &RowKey<'_>,
        key: &[u8],
        qualifiers: &[u8],
        replaced: bool,
    ) -> Result<(), TransactionError> {
        self.batch.take_place(key)?;
        let value = values::row(self.revision(), qualifiers);
        self.batch.set(ColumnFamily::Live, key, &value)?;
        self.batch.set(ColumnFamily::LiveBySubject, &row.by_subject(), &value)?;
        if let Some(at) = values::expiration(qualifiers)? {
            self.batch.set(ColumnFamily::Expiring, &log_keys::expiring(at, key), &[])?;
        }
        self.log(&ChangeRecord::Touched { replaced, row: *row, qualifiers })
    }

    /// Tombstones a row that is going to be replaced or removed: copies it to the deleted family.
    fn tombstone(
        &mut self,
        row: &RowKey<'_>,
        key: &[u8],
        old: &StoredRow,
    ) -> Result<(), TransactionError> {
        let revision = self.revision();
        // An expiration that took effect stays known to watchers until it is collected.
        if let Some(at) = values::expiration(&old.qualifiers)?
            && at > revision.time()
        {
            self.batch.clear(ColumnFamily::Expiring, &log_keys::expiring(at, key))?;
        }
        if old.created == revision {
            // No revision ever showed it.
            return Ok(());
        }

        let value = values::row(old.created, &old.qualifiers);
        self.batch.set(ColumnFamily::Deleted, &keys::deleted(key, revision), &value)?;
        let by_subject = keys::deleted(&row.by_subject(), revision);
        Ok(self.batch.set(ColumnFamily::DeletedBySubject, &by_subject, &value)?)
    }

    fn stored(&self, key: &[u8]) -> Result<Option<StoredRow>, ReadError> {
        let Some(value) = self.batch.live_row(key)? else { return Ok(None) };
        let (created, qualifiers) = values::split_row(&value)?;
        Ok(Some(StoredRow { created, qualifiers: qualifiers.to_vec() }))
    }

    pub(super) fn known_key<'k>(&self, relationship: &'k Relationship) -> Option<RowKey<'k>> {
        self.reader().row_key(relationship.resource_key(), relationship.subject.key())
    }

    /// The key of a relationship; new names get their numbers.
    fn new_key<'k>(
        &mut self,
        relationship: &'k Relationship,
    ) -> Result<RowKey<'k>, TransactionError> {
        let (resource, subject) = (relationship.resource_key(), relationship.subject.key());
        for name in [resource.object_type, resource.relation, subject.object_type] {
            self.batch.name(name)?;
        }
        if let Some(relation) = subject.relation {
            self.batch.name(relation)?;
        }
        let unnamed = CorruptBytes("a name was not added");
        Ok(self.reader().row_key(resource, subject).ok_or(unnamed)?)
    }

    fn qualifiers(&mut self, relationship: &Relationship) -> Result<Vec<u8>, TransactionError> {
        let caveat = match &relationship.caveat {
            Some(caveat) => Some((self.batch.name(&caveat.name)?, &caveat.context)),
            None => None,
        };
        Ok(values::qualifiers(caveat, relationship.expires_at))
    }

    fn reader(&self) -> SnapshotReader<'_> {
        let expiry = ExpiryFilter::HideExpired(self.now);
        let (source, names) = (self.batch.source(), self.batch.names());
        let interrupted = &*self.interrupted;
        let prepared = &*self.batch.prepared;
        let read_at = if prepared.unpublished_deletions().next().is_some() {
            ReadAt::At(PastRevision { revision: BELOW_MARKS, prepared })
        } else if prepared.has_unpublished() {
            ReadAt::NewestBeside(prepared)
        } else {
            ReadAt::Newest
        };
        SnapshotReader { source, names, read_at, expiry, interrupted }
    }

    /// Appends an entry to the change log. It is the last step of each change, so that a chunk that ends here holds whole
    /// changes.
    fn log(&mut self, record: &ChangeRecord<'_>) -> Result<(), TransactionError> {
        self.batch.log(record)?;
        match &mut self.chunked {
            Some(chunked) => chunked.commit_when_full(&mut self.batch, &self.interrupted),
            None => Ok(()),
        }
    }
}

/// The newest state with the changes of this write, without what has expired.
impl RelationshipReader for Transaction<'_> {
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
}

/// The value of a row.
struct StoredRow {
    created: Revision,
    qualifiers: Vec<u8>,
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("revision", &self.revision())
            .field("now", &self.now)
            .field("change_count", &self.batch.change_count())
            .finish_non_exhaustive()
    }
}
