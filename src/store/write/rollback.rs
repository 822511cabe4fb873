//! Rolls back a chunked write or a prepared revision that was aborted, or that a crash ended.

use super::batch::{self, CHUNK_BYTES, CHUNK_CHANGES};
use super::error::TransactionError;
use super::failure::WriteFailure;
use crate::relationship::Revision;
use crate::store::head::HeadRecord;
use crate::store::layout::keys::{self, RowKey};
use crate::store::layout::log_keys;
use crate::store::layout::meta_keys;
use crate::store::layout::values::{self, ChangeRecord};
use crate::store::layout::well_formed;
use crate::store::prepared::PreparedRevisions;
use crate::store::rocks::column_family::{ColumnFamily, Db};
use crate::store::rocks::error::write_failure;
use crate::store::rocks::source::{ReadSource, ReadTier};
use rocksdb::SnapshotWithThreadMode;

/// Removes what is stored of a revision, so that the store is as it was at the head `before`. Idempotent: it can be
/// repeated, and resumes if it was interrupted. `give_up` is called between chunks; once it returns `true`, the rollback
/// stops and the result is `false`.
pub(in crate::store) fn roll_back(
    db: &Db,
    revision: Revision,
    before: HeadRecord,
    give_up: &dyn Fn() -> bool,
) -> Result<bool, TransactionError> {
    debug_assert!(revision > before.revision, "only the newest revision is rolled back");
    let mut progress = RollbackProgress::new(revision);
    loop {
        if give_up() {
            return Ok(false);
        }
        if progress.step(db, before.revision, CHUNK_CHANGES)? {
            break;
        }
    }

    // The head is written last: until then a crash leaves the revision marked as unfinished.
    let last = batch::begin(db, true);
    let head = HeadRecord { unfinished: None, ..before };
    let meta = ColumnFamily::Meta.handle(db).map_err(WriteFailure::from)?;
    last.put_cf(meta, meta_keys::HEAD, head.bytes()).map_err(write_failure)?;
    last.commit().map_err(write_failure)?;
    Ok(true)
}

/// Removes at most so many rows of a prepared revision that is not published. Says whether none is left; then `head` and
/// `prepared` no longer have it.
pub(in crate::store) fn remove_prepared(
    db: &Db,
    progress: &mut RollbackProgress,
    (head, prepared): (&mut HeadRecord, &mut PreparedRevisions),
    changes_max: u32,
) -> Result<bool, TransactionError> {
    if !progress.step(db, head.revision, changes_max)? {
        return Ok(false);
    }

    // The record is removed last, as above. Nothing that was acknowledged depends on it, so it needs no sync.
    let last = batch::begin(db, false);
    prepared.forget(progress.revision);
    let new = HeadRecord { prepared: prepared.summary(head.prepared.newest), ..*head };
    let meta = ColumnFamily::Meta.handle(db).map_err(WriteFailure::from)?;
    last.delete_cf(meta, meta_keys::prepared(progress.revision)).map_err(write_failure)?;
    last.put_cf(meta, meta_keys::HEAD, new.bytes()).map_err(write_failure)?;
    last.commit().map_err(write_failure)?;
    *head = new;
    Ok(true)
}

/// How far the rollback of a revision has come.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct RollbackProgress {
    /// The revision, or the mark of a prepared one.
    pub(in crate::store) revision: Revision,
    /// The number of its next change.
    next: u32,
}

impl RollbackProgress {
    pub(in crate::store) fn new(revision: Revision) -> Self {
        Self { revision, next: 0 }
    }

    /// Undoes at most so many changes. `newest` is the newest revision that stays. Says whether none is left.
    fn step(
        &mut self,
        db: &Db,
        newest: Revision,
        changes_max: u32,
    ) -> Result<bool, TransactionError> {
        // The change log is read from a snapshot, because the rollback deletes it while it reads.
        let snapshot = SnapshotWithThreadMode::new(db);
        let source = ReadSource::snapshot(db, &snapshot, ReadTier::Disk);
        let mut changes = source.cursor(ColumnFamily::Changes, &self.revision.0.to_be_bytes())?;
        changes.seek(&log_keys::change(self.revision, self.next));

        let (transaction, revision) = (batch::begin(db, false), self.revision);
        let rollback = Rollback { db, transaction, revision, newest };
        let (mut count, mut bytes) = (0, 0);
        while count < changes_max
            && bytes < CHUNK_BYTES
            && let Some((key, value)) = changes.item()?
        {
            rollback.undo(key, value)?;
            (count, bytes) = (count + 1, bytes + value.len());
            self.next = log_keys::split_change(key)?.1.saturating_add(1);
            changes.advance();
        }
        let is_done = changes.item()?.is_none();
        rollback.transaction.commit().map_err(write_failure)?;
        Ok(is_done)
    }
}

/// The rollback of one revision.
struct Rollback<'u> {
    db: &'u Db,
    transaction: rocksdb::Transaction<'u, Db>,
    revision: Revision,
    newest: Revision,
}

impl Rollback<'_> {
    /// Undoes one entry of the change log. For a row that was changed more than once, the first of its entries restores the
    /// row, and the others find nothing left to do.
    fn undo(&self, key: &[u8], value: &[u8]) -> Result<(), TransactionError> {
        match ChangeRecord::from_bytes(value)? {
            ChangeRecord::Touched { row, .. } | ChangeRecord::Deleted(row) => self.restore(&row)?,
            ChangeRecord::SchemaWritten => {
                self.clear(ColumnFamily::Schema, &log_keys::schema(self.revision))?;
            }
            // A prepared revision is published by a write that is not rolled back.
            ChangeRecord::Metadata(_) | ChangeRecord::Writer(_) | ChangeRecord::Prepared(_) => {}
        }
        Ok(self.clear(ColumnFamily::Changes, key)?)
    }

    /// Restores the row that the key had before the revision, or removes the key if it had none.
    fn restore(&self, row: &RowKey<'_>) -> Result<(), TransactionError> {
        let (key, by_subject) = (row.by_resource(), row.by_subject());
        let source = ReadSource::transaction(self.db, &self.transaction);
        let deleted_key = keys::deleted(&key, self.revision);
        let old = source.get(ColumnFamily::Deleted, &deleted_key)?;

        if let Some(value) = source.get(ColumnFamily::Live, &key)? {
            let (created, qualifiers) = values::split_row(&value)?;
            // Another entry of the same row has restored it already.
            if created != self.revision {
                return Ok(());
            }
            // An entry of the past may also be that of a row that was removed after it had expired.
            if let Some(at) = values::expiration(qualifiers)?
                && at > self.newest.time()
            {
                self.clear(ColumnFamily::Expiring, &log_keys::expiring(at, &key))?;
            }
            self.clear(ColumnFamily::Live, &key)?;
            self.clear(ColumnFamily::LiveBySubject, &by_subject)?;
        }

        let Some(old) = old else { return Ok(()) };
        self.clear(ColumnFamily::Deleted, &deleted_key)?;
        let deleted_by_subject = keys::deleted(&by_subject, self.revision);
        self.clear(ColumnFamily::DeletedBySubject, &deleted_by_subject)?;
        self.set(ColumnFamily::Live, &key, &old)?;
        self.set(ColumnFamily::LiveBySubject, &by_subject, &old)?;
        if let Some(at) = values::expiration(values::split_row(&old)?.1)? {
            self.set(ColumnFamily::Expiring, &log_keys::expiring(at, &key), &[])?;
        }
        Ok(())
    }

    fn set(&self, family: ColumnFamily, key: &[u8], value: &[u8]) -> Result<(), WriteFailure> {
        debug_assert!(well_formed::is_well_formed(family, key), "a key of {family:?}: {key:?}");
        self.transaction.put_cf(family.handle(self.db)?, key, value).map_err(write_failure)
    }

    fn clear(&self, family: ColumnFamily, key: &[u8]) -> Result<(), WriteFailure> {
        debug_assert!(well_formed::is_well_formed(family, key), "a key of {family:?}: {key:?}");
        self.transaction.delete_cf(family.handle(self.db)?, key).map_err(write_failure)
    }
}
