//! A piece of a prepared revision: rows that one turn of the writer adds.
//!
//! A piece does not go through the transaction of a batch: that keeps an index of what it has written, for its own reads and
//! to find conflicts, and takes about twice the time. The thread that prepares makes the batch; the writer only checks whether
//! the places of the rows are free, and writes it.

use super::error::TransactionError;
use super::failure::WriteFailure;
use crate::relationship::{ReadError, Relationship, Revision};
use crate::store::layout::keys::RowKey;
use crate::store::layout::log_keys;
use crate::store::layout::values::{self, ChangeRecord};
use crate::store::layout::well_formed;
use crate::store::rocks::column_family::{ColumnFamily, Db};
use crate::store::rocks::error::write_failure;
use crate::store::write::transaction::Transaction;
use rocksdb::{WriteBatchWithTransaction, WriteOptions};

/// How many bytes are written at once: few enough that the locks that RocksDB takes on their keys stay small.
const BYTES_MAX: usize = 256 << 10;

/// New rows of a prepared revision.
pub(super) struct Piece {
    mark: Revision,
    batch: WriteBatchWithTransaction<true>,
    /// The keys of the rows in `live`, each once.
    keys: Vec<Vec<u8>>,
}

/// What became of a piece.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum PieceOutcome {
    Written,
    /// Nothing was written: this relationship exists.
    Exists(Box<Relationship>),
}

impl Piece {
    /// Without a row.
    pub(super) fn new(mark: Revision) -> Self {
        Self { mark, batch: WriteBatchWithTransaction::default(), keys: Vec::new() }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// Whether it should have no more rows than it has.
    pub(super) fn is_full(&self, rows_max: usize) -> bool {
        self.keys.len() >= rows_max || self.batch.size_in_bytes() >= BYTES_MAX
    }

    /// Adds a row, as the change with this number.
    pub(super) fn add(
        &mut self,
        db: &Db,
        row: &RowKey<'_>,
        qualifiers: &[u8],
        ordinal: u32,
    ) -> Result<(), TransactionError> {
        let (key, value) = (row.by_resource(), values::row(self.mark, qualifiers));
        self.put(db, ColumnFamily::Live, &key, &value)?;
        self.put(db, ColumnFamily::LiveBySubject, &row.by_subject(), &value)?;
        if let Some(at) = values::expiration(qualifiers)? {
            self.put(db, ColumnFamily::Expiring, &log_keys::expiring(at, &key), &[])?;
        }

        let record = ChangeRecord::Touched { replaced: false, row: *row, qualifiers };
        let position = log_keys::change(self.mark, ordinal);
        self.put(db, ColumnFamily::Changes, &position, &record.bytes())?;
        self.keys.push(key);
        Ok(())
    }

    /// A key under which there is a row already. Most keys are in order, so one cursor goes from each to the next.
    fn existing_key(&self, transaction: &Transaction<'_>) -> Result<Option<&[u8]>, ReadError> {
        let batch = &transaction.batch;
        // A row that a prepared deletion has moved lies elsewhere.
        let is_elsewhere = batch.prepared.unpublished_deletions().next().is_some();
        let mut stored = batch.source().cursor(ColumnFamily::Live, &[])?;
        let mut last: Option<&[u8]> = None;
        for key in &self.keys {
            // The cursor stands at the first row that is not below the last key, which is the one for this key too unless it
            // lies between the two.
            let is_ahead = last.is_none_or(|last| last > key.as_slice());
            if is_ahead || stored.item()?.is_some_and(|(found, _)| found < key.as_slice()) {
                stored.seek(key);
            }
            last = Some(key);
            let is_found = stored.item()?.is_some_and(|(found, _)| found == key);
            if (is_found || is_elsewhere) && batch.live_row(key)?.is_some() {
                return Ok(Some(key));
            }
        }
        Ok(None)
    }

    fn put(
        &mut self,
        db: &Db,
        family: ColumnFamily,
        key: &[u8],
        value: &[u8],
    ) -> Result<(), WriteFailure> {
        debug_assert!(well_formed::is_well_formed(family, key), "a key of {family:?}: {key:?}");
        self.batch.put_cf(family.handle(db)?, key, value);
        Ok(())
    }

    /// Writes the rows, unless one exists. Rows of an abandoned revision give way.
    ///
    /// Without a sync: the log keeps the order of commits, so the synced commit that publishes them makes them durable.
    pub(super) fn write(
        self,
        transaction: &mut Transaction<'_>,
    ) -> Result<PieceOutcome, TransactionError> {
        if let Some(failure) = transaction.batch.failure.clone() {
            return Err(failure.into());
        }
        if let Some(taken) = transaction.taken(self.mark)? {
            return Ok(PieceOutcome::Exists(Box::new(taken)));
        }
        if let Some(key) = self.existing_key(transaction)? {
            return Ok(PieceOutcome::Exists(Box::new(transaction.relationship(key)?)));
        }

        let batch = &mut transaction.batch;
        let db = batch.db();
        match db.write_opt(self.batch, &WriteOptions::default()).map_err(write_failure) {
            Ok(()) => Ok(PieceOutcome::Written),
            Err(failure) => {
                // Whether it is on disk shows only when the store is reopened.
                batch.failure = Some(failure.clone());
                Err(failure.into())
            }
        }
    }
}
