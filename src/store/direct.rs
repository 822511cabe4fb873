//! Rows that go straight to the database, without a transaction around them.
//!
//! A transaction keeps an index of what it has written, for its own reads and to find conflicts. A write in pieces has
//! nobody to conflict with, and an import reads nothing back but whether a key is taken; so it costs about half this way.

use super::keys::{self, RowKey};
use super::rocks::{self, Db, Family};
use super::values::{self, Logged};
use crate::relationship::{ReadError, Revision};
use rocksdb::{WriteBatchWithTransaction, WriteOptions};
use std::collections::HashSet;

/// So many bytes are written at once: few enough that the locks of their keys, which the database takes, stay small.
const BATCH_BYTES: usize = 256 << 10;

/// New rows of one revision.
pub(super) struct Direct<'d> {
    db: &'d Db,
    revision: Revision,
    batch: WriteBatchWithTransaction<true>,
    /// The keys in the batch, which the database does not have yet.
    keys: HashSet<Vec<u8>>,
    /// Why a batch could not be written.
    pub(super) failed: Option<String>,
}

impl<'d> Direct<'d> {
    pub(super) fn new(db: &'d Db, revision: Revision) -> Self {
        let batch = WriteBatchWithTransaction::default();
        Self { db, revision, batch, keys: HashSet::new(), failed: None }
    }

    /// Whether a key of `live` is taken.
    pub(super) fn has(&self, key: &[u8]) -> Result<bool, ReadError> {
        let live = Family::Live.of(self.db)?;
        let stored = || self.db.get_pinned_cf(live, key).map_err(rocks::failed);
        Ok(self.keys.contains(key) || stored()?.is_some())
    }

    /// Adds a row whose key is free, as the change with this number.
    pub(super) fn add(
        &mut self,
        row: &RowKey<'_>,
        key: Vec<u8>,
        terms: &[u8],
        ordinal: u32,
    ) -> Result<(), ReadError> {
        let value = values::row(self.revision, terms);
        self.put(Family::Live, &key, &value)?;
        self.put(Family::LiveBySubject, &row.by_subject(), &value)?;
        if let Some(at) = values::expiration(terms)? {
            self.put(Family::Expiring, &keys::expiring(at, &key), &[])?;
        }
        let logged = Logged::Touched { replaced: false, row: *row, terms };
        self.put(Family::Changes, &keys::change(self.revision, ordinal), &logged.bytes())?;
        self.keys.insert(key);
        if self.batch.size_in_bytes() < BATCH_BYTES { Ok(()) } else { self.flush() }
    }

    /// Writes what has been added. It need not be on disk before the head that shows it is: the log keeps their order.
    pub(super) fn flush(&mut self) -> Result<(), ReadError> {
        self.keys.clear();
        let batch = std::mem::take(&mut self.batch);
        let written = self.db.write_opt(batch, &WriteOptions::default()).map_err(rocks::failed);
        self.failed = written.as_ref().err().map(|error| error.reason.clone());
        written
    }

    fn put(&mut self, family: Family, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        self.batch.put_cf(family.of(self.db)?, key, value);
        Ok(())
    }
}
