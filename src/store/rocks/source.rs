//! Reads from RocksDB: one interface for snapshots and transactions.

use super::column_family::{ColumnFamily, Db};
use super::error::read_error;
use crate::relationship::ReadError;
use crate::store::layout::keys;
use rocksdb::{DBPinnableSlice, DBRawIteratorWithThreadMode, ReadOptions, SnapshotWithThreadMode};

/// Where a read may find its data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum ReadTier {
    /// The disk.
    Disk,
    /// The caches of RocksDB; data that are not there are an error, [`ReadError::not_cached`].
    Memory,
}

/// The state that is read.
#[derive(Clone, Copy)]
pub(in crate::store) struct ReadSource<'a> {
    db: &'a Db,
    view: SourceView<'a>,
}

#[derive(Clone, Copy)]
enum SourceView<'a> {
    /// The state at one point in time.
    Snapshot(&'a SnapshotWithThreadMode<'a, Db>, ReadTier),
    /// The committed state with the changes of a transaction.
    Transaction(&'a rocksdb::Transaction<'a, Db>),
}

impl<'a> ReadSource<'a> {
    pub(in crate::store) fn snapshot(
        db: &'a Db,
        snapshot: &'a SnapshotWithThreadMode<'a, Db>,
        tier: ReadTier,
    ) -> Self {
        Self { db, view: SourceView::Snapshot(snapshot, tier) }
    }

    pub(in crate::store) fn transaction(
        db: &'a Db,
        transaction: &'a rocksdb::Transaction<'a, Db>,
    ) -> Self {
        Self { db, view: SourceView::Transaction(transaction) }
    }

    /// The value of a key.
    pub(in crate::store) fn get(
        self,
        family: ColumnFamily,
        key: &[u8],
    ) -> Result<Option<DBPinnableSlice<'a>>, ReadError> {
        let family = family.handle(self.db)?;
        match self.view {
            SourceView::Snapshot(snapshot, tier) => {
                snapshot.get_pinned_cf_opt(family, key, read_options(tier))
            }
            SourceView::Transaction(transaction) => transaction.get_pinned_cf(family, key),
        }
        .map_err(read_error)
    }

    /// A cursor over the keys that start with `prefix`; it stands nowhere until its first seek.
    pub(in crate::store) fn cursor(
        self,
        family: ColumnFamily,
        prefix: &[u8],
    ) -> Result<KeyCursor<'a>, ReadError> {
        let family = family.handle(self.db)?;
        let mut options = match self.view {
            SourceView::Snapshot(_, tier) => read_options(tier),
            SourceView::Transaction(_) => ReadOptions::default(),
        };
        if let Some(end) = keys::end_of(prefix) {
            options.set_iterate_upper_bound(end);
        }
        Ok(match self.view {
            SourceView::Snapshot(snapshot, _) => {
                KeyCursor::Snapshot(snapshot.raw_iterator_cf_opt(family, options))
            }
            SourceView::Transaction(transaction) => {
                KeyCursor::Transaction(transaction.raw_iterator_cf_opt(family, options))
            }
        })
    }
}

fn read_options(tier: ReadTier) -> ReadOptions {
    let mut options = ReadOptions::default();
    if tier == ReadTier::Memory {
        options.set_read_tier(rocksdb::ReadTier::BlockCache);
    }
    options
}

/// A key and its value.
pub(in crate::store) type KeyValue<'a> = (&'a [u8], &'a [u8]);

/// A cursor in a column family.
pub(in crate::store) enum KeyCursor<'a> {
    Snapshot(DBRawIteratorWithThreadMode<'a, Db>),
    Transaction(DBRawIteratorWithThreadMode<'a, rocksdb::Transaction<'a, Db>>),
}

impl KeyCursor<'_> {
    /// Goes to the first key that is not below `key`.
    pub(in crate::store) fn seek(&mut self, key: &[u8]) {
        match self {
            Self::Snapshot(cursor) => cursor.seek(key),
            Self::Transaction(cursor) => cursor.seek(key),
        }
    }

    /// Goes to the last key that is not above `key`.
    pub(in crate::store) fn seek_back(&mut self, key: &[u8]) {
        match self {
            Self::Snapshot(cursor) => cursor.seek_for_prev(key),
            Self::Transaction(cursor) => cursor.seek_for_prev(key),
        }
    }

    /// Goes one key on, unless it is at the end already.
    pub(in crate::store) fn advance(&mut self) {
        match self {
            Self::Snapshot(cursor) if cursor.valid() => cursor.next(),
            Self::Transaction(cursor) if cursor.valid() => cursor.next(),
            Self::Snapshot(_) | Self::Transaction(_) => {}
        }
    }

    /// Goes one key back, unless it is at the end already.
    pub(in crate::store) fn retreat(&mut self) {
        match self {
            Self::Snapshot(cursor) if cursor.valid() => cursor.prev(),
            Self::Transaction(cursor) if cursor.valid() => cursor.prev(),
            Self::Snapshot(_) | Self::Transaction(_) => {}
        }
    }

    /// The key and value here; `None` at the end.
    pub(in crate::store) fn item(&self) -> Result<Option<KeyValue<'_>>, ReadError> {
        let (item, status) = match self {
            Self::Snapshot(cursor) => (cursor.item(), cursor.status()),
            Self::Transaction(cursor) => (cursor.item(), cursor.status()),
        };
        status.map_err(read_error).map(|()| item)
    }
}
