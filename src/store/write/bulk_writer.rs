//! Bulk writer that bypasses the transaction.
//!
//! A transaction keeps an index of what it has written, for its own reads and to find conflicts. A chunked write has no
//! concurrent writer to conflict with, and an import reads nothing back but whether a key is stored; without the
//! transaction it takes about half the time.

use super::error::TransactionError;
use super::failure::WriteFailure;
use crate::relationship::{ReadError, Revision};
use crate::store::layout::keys::RowKey;
use crate::store::layout::log_keys;
use crate::store::layout::values::{self, ChangeRecord};
use crate::store::layout::well_formed;
use crate::store::rocks::column_family::{ColumnFamily, Db};
use crate::store::rocks::error::{read_error, write_failure};
use rocksdb::{WriteBatchWithTransaction, WriteOptions};
use std::collections::HashSet;

/// How many bytes are written at once: few enough that the locks that RocksDB takes on their keys stay small.
const BATCH_BYTES: usize = 256 << 10;

/// New rows of one revision.
pub(in crate::store) struct BulkWriter<'d> {
    db: &'d Db,
    revision: Revision,
    batch: WriteBatchWithTransaction<true>,
    /// The keys in the batch, which the database does not have yet.
    keys: HashSet<Vec<u8>>,
    /// Why a batch could not be written.
    failure: Option<WriteFailure>,
}

impl<'d> BulkWriter<'d> {
    pub(in crate::store) fn new(db: &'d Db, revision: Revision) -> Self {
        let batch = WriteBatchWithTransaction::default();
        Self { db, revision, batch, keys: HashSet::new(), failure: None }
    }

    /// Whether a key of `live` is stored or waits in the batch.
    pub(in crate::store) fn has(&self, key: &[u8]) -> Result<bool, ReadError> {
        if self.keys.contains(key) {
            return Ok(true);
        }
        let live = ColumnFamily::Live.handle(self.db)?;
        Ok(self.db.get_pinned_cf(live, key).map_err(read_error)?.is_some())
    }

    /// Adds a row whose key is not stored, as the change with this number.
    pub(in crate::store) fn add(
        &mut self,
        row: &RowKey<'_>,
        key: Vec<u8>,
        qualifiers: &[u8],
        ordinal: u32,
    ) -> Result<(), TransactionError> {
        let value = values::row(self.revision, qualifiers);
        self.put(ColumnFamily::Live, &key, &value)?;
        self.put(ColumnFamily::LiveBySubject, &row.by_subject(), &value)?;
        if let Some(at) = values::expiration(qualifiers)? {
            self.put(ColumnFamily::Expiring, &log_keys::expiring(at, &key), &[])?;
        }

        let record = ChangeRecord::Touched { replaced: false, row: *row, qualifiers };
        self.put(
            ColumnFamily::Changes,
            &log_keys::change(self.revision, ordinal),
            &record.bytes(),
        )?;
        let is_new = self.keys.insert(key);
        debug_assert!(is_new, "one row for each key");

        if self.batch.size_in_bytes() >= BATCH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Writes the batch without a sync: the log keeps the order of writes, so the synced commit of the head makes it
    /// durable.
    pub(in crate::store) fn flush(&mut self) -> Result<(), WriteFailure> {
        self.keys.clear();
        let batch = std::mem::take(&mut self.batch);
        let written = self.db.write_opt(batch, &WriteOptions::default()).map_err(write_failure);
        self.failure = written.as_ref().err().cloned();
        written
    }

    /// Why a batch could not be written, if one could not.
    pub(in crate::store) fn into_failure(self) -> Option<WriteFailure> {
        self.failure
    }

    fn put(&mut self, family: ColumnFamily, key: &[u8], value: &[u8]) -> Result<(), WriteFailure> {
        debug_assert!(well_formed::is_well_formed(family, key), "a key of {family:?}: {key:?}");
        self.batch.put_cf(family.handle(self.db)?, key, value);
        Ok(())
    }
}
