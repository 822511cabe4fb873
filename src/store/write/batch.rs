//! Changes that will be committed together.

use super::error::TransactionError;
use super::failure::WriteFailure;
use crate::relationship::{ReadError, Revision};
use crate::store::head::HeadRecord;
use crate::store::layout::keys::{self, NameId, RowKey};
use crate::store::layout::log_keys;
use crate::store::layout::meta_keys;
use crate::store::layout::names::NameCatalog;
use crate::store::layout::values::{self, ChangeRecord};
use crate::store::layout::well_formed;
use crate::store::prepared::PreparedRevisions;
use crate::store::rocks::column_family::{ColumnFamily, Db};
use crate::store::rocks::error::write_failure;
use crate::store::rocks::source::ReadSource;
use rocksdb::{DBPinnableSlice, Transaction, TransactionOptions, WriteOptions};
use std::sync::Arc;

/// A chunk is committed once it has this many bytes or changes.
pub(super) const CHUNK_BYTES: usize = 4 << 20;
pub(super) const CHUNK_CHANGES: u32 = 10_000;

/// The changes of one or several writes that are not committed yet, and the state that later writes of the batch build on.
///
/// Reads through [`Self::source`] see the changes; no snapshot does before the commit.
pub(in crate::store) struct WriteBatch<'t> {
    db: &'t Db,
    transaction: Transaction<'t, Db>,
    names: Arc<NameCatalog>,
    pub(in crate::store) prepared: Arc<PreparedRevisions>,
    /// Why no piece of a prepared revision may be written, or why one could not be.
    pub(in crate::store) failure: Option<WriteFailure>,
    /// The head record as it will be after the commit.
    pub(in crate::store) head: HeadRecord,
    /// The revision of the current write.
    revision: Revision,
    /// How many entries the current write has added to the change log.
    change_count: u32,
    /// Who makes the current write, until that is in the change log.
    writer: Option<Arc<str>>,
    /// How many bytes have been set since the last commit.
    bytes: usize,
}

impl<'t> WriteBatch<'t> {
    /// An empty batch on top of `head`. `sync` says whether its commit waits for the disk.
    pub(in crate::store) fn new(
        db: &'t Db,
        sync: bool,
        (names, prepared): (Arc<NameCatalog>, Arc<PreparedRevisions>),
        head: HeadRecord,
    ) -> Self {
        let (transaction, revision) = (begin(db, sync), head.revision);
        let (failure, change_count, writer, bytes) = (None, 0, None, 0);
        Self {
            db,
            transaction,
            names,
            prepared,
            failure,
            head,
            revision,
            change_count,
            writer,
            bytes,
        }
    }

    /// Starts a write within the batch, which `writer` makes. [`Self::undo`] rolls back to here.
    pub(in crate::store) fn start_write(&mut self, revision: Revision, writer: Option<Arc<str>>) {
        debug_assert!(revision >= self.head.revision, "revisions rise");
        self.transaction.set_savepoint();
        self.revision = revision;
        self.change_count = 0;
        self.writer = writer;
    }

    /// Rolls back the current write, which has not been committed in chunks.
    pub(in crate::store) fn undo(
        &mut self,
        head: HeadRecord,
        name_count: usize,
        prepared: &Arc<PreparedRevisions>,
    ) -> Result<(), WriteFailure> {
        self.transaction.rollback_to_savepoint().map_err(write_failure)?;

        // Names that no commit contains are free again, and so are their numbers.
        if self.names.len() > name_count {
            Arc::make_mut(&mut self.names).truncate(name_count);
        }
        self.head = head;
        self.prepared = Arc::clone(prepared);
        Ok(())
    }

    /// Replaces what is not committed with an empty batch on top of `head`.
    pub(in crate::store) fn restart(
        &mut self,
        sync: bool,
        head: HeadRecord,
        names: Arc<NameCatalog>,
    ) {
        self.transaction = begin(self.db, sync);
        self.head = head;
        self.names = names;
        self.bytes = 0;
    }

    /// Commits the changes so far, and continues with an empty batch whose commit does not wait for the disk.
    pub(in crate::store) fn commit_and_continue(&mut self) -> Result<(), WriteFailure> {
        let committed = std::mem::replace(&mut self.transaction, begin(self.db, false));
        self.bytes = 0;
        committed.commit().map_err(write_failure)
    }

    /// Commits the batch.
    pub(in crate::store) fn commit(self) -> Result<(), WriteFailure> {
        self.transaction.commit().map_err(write_failure)
    }

    pub(in crate::store) fn names(&self) -> &Arc<NameCatalog> {
        &self.names
    }

    pub(in crate::store) fn revision(&self) -> Revision {
        self.revision
    }

    /// How many entries the current write has added to the change log.
    pub(in crate::store) fn change_count(&self) -> u32 {
        self.change_count
    }

    /// How many bytes have been set since the last commit.
    pub(in crate::store) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The committed state with the changes of this batch.
    pub(in crate::store) fn source(&self) -> ReadSource<'_> {
        ReadSource::transaction(self.db, &self.transaction)
    }

    pub(in crate::store) fn db(&self) -> &'t Db {
        self.db
    }

    /// The value of a row that exists, in the state with the changes of this batch.
    pub(in crate::store) fn live_row(
        &self,
        key: &[u8],
    ) -> Result<Option<DBPinnableSlice<'_>>, ReadError> {
        if let Some(value) = self.source().get(ColumnFamily::Live, key)?
            && !self.prepared.hides(values::split_row(&value)?.0)
        {
            return Ok(Some(value));
        }
        for mark in self.prepared.unpublished_deletions() {
            let moved = self.source().get(ColumnFamily::Deleted, &keys::deleted(key, mark))?;
            if moved.is_some() {
                return Ok(moved);
            }
        }
        Ok(None)
    }

    /// Moves a row back that a prepared deletion has moved to the deleted ones. Call it before the row is changed.
    pub(in crate::store) fn reclaim(
        &mut self,
        row: &RowKey<'_>,
        key: &[u8],
    ) -> Result<(), TransactionError> {
        let marks: Vec<_> = self.prepared.unpublished_deletions().collect();
        for mark in marks {
            let moved = keys::deleted(key, mark);
            let value = self.source().get(ColumnFamily::Deleted, &moved)?;
            let Some(value) = value.map(|value| value.to_vec()) else { continue };
            self.set(ColumnFamily::Live, key, &value)?;
            self.set(ColumnFamily::LiveBySubject, &row.by_subject(), &value)?;
            self.clear(ColumnFamily::Deleted, &moved)?;
            self.clear(ColumnFamily::DeletedBySubject, &keys::deleted(&row.by_subject(), mark))?;
            Arc::make_mut(&mut self.prepared).reclaim(mark, row);
        }
        Ok(())
    }

    /// Records that the place of a pending row is taken, if one lies under the key.
    pub(in crate::store) fn take_place(&mut self, key: &[u8]) -> Result<(), ReadError> {
        if !self.prepared.has_unpublished() {
            return Ok(());
        }
        let created = match self.source().get(ColumnFamily::Live, key)? {
            Some(value) => values::split_row(&value)?.0,
            None => return Ok(()),
        };
        if self.prepared.hides(created) {
            Arc::make_mut(&mut self.prepared).take(created, key);
        }
        Ok(())
    }

    pub(in crate::store) fn set(
        &mut self,
        family: ColumnFamily,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), WriteFailure> {
        debug_assert!(well_formed::is_well_formed(family, key), "a key of {family:?}: {key:?}");
        self.bytes += key.len() + value.len();
        let handle = family.handle(self.db)?;
        self.transaction.put_cf(handle, key, value).map_err(write_failure)
    }

    pub(in crate::store) fn clear(
        &mut self,
        family: ColumnFamily,
        key: &[u8],
    ) -> Result<(), WriteFailure> {
        debug_assert!(well_formed::is_well_formed(family, key), "a key of {family:?}: {key:?}");
        let handle = family.handle(self.db)?;
        self.transaction.delete_cf(handle, key).map_err(write_failure)
    }

    /// The number of a name; a new name gets the next number.
    pub(in crate::store) fn name(&mut self, text: &str) -> Result<NameId, WriteFailure> {
        if let Some(id) = self.names.find(text) {
            return Ok(id);
        }
        let id = Arc::make_mut(&mut self.names).add(text)?;
        self.set(ColumnFamily::Meta, &meta_keys::name(text), &id.0.to_be_bytes())?;
        Ok(id)
    }

    /// Appends the writer of the current write to the change log, unless it is there: before its first change, so that a write
    /// that changes nothing has no entry.
    pub(in crate::store) fn log_writer(&mut self) -> Result<(), WriteFailure> {
        match self.writer.take() {
            Some(writer) => self.append(&ChangeRecord::Writer(&writer)),
            None => Ok(()),
        }
    }

    /// Appends an entry of the current write to the change log.
    pub(in crate::store) fn log(&mut self, record: &ChangeRecord<'_>) -> Result<(), WriteFailure> {
        self.log_writer()?;
        self.append(record)
    }

    fn append(&mut self, record: &ChangeRecord<'_>) -> Result<(), WriteFailure> {
        let key = log_keys::change(self.revision, self.change_count);
        self.set(ColumnFamily::Changes, &key, &record.bytes())?;
        self.change_count = self.change_count.saturating_add(1);
        Ok(())
    }
}

/// An empty RocksDB transaction; `sync` says whether its commit waits for the disk.
pub(in crate::store) fn begin(db: &Db, sync: bool) -> Transaction<'_, Db> {
    let mut options = WriteOptions::default();
    options.set_sync(sync);
    db.transaction_opt(&options, &TransactionOptions::default())
}
