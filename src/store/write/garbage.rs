//! Garbage collection: drops what no readable revision shows.
//!
//! A pass looks for garbage on a snapshot of its own, so that it visits every entry once and no write waits for the search.
//! Only the removal goes through the writer, in small batches between the writes.

use super::clock::WriteClock;
use super::error::{TransactionError, WriteError};
use super::job::JobKind;
use super::options::WriteOptions;
use super::transaction::Transaction;
use super::writer::WriterThread;
use crate::relationship::{ReadError, Revision, Timestamp};
use crate::store::layout::keys::{self, RowKey};
use crate::store::layout::log_keys;
use crate::store::layout::meta_keys;
use crate::store::layout::values::{self, ChangeRecord};
use crate::store::pins::Pins;
use crate::store::read::expirations;
use crate::store::rocks::column_family::{ColumnFamily, Db};
use crate::store::rocks::source::{KeyCursor, KeyValue, ReadSource, ReadTier};
use crate::store::time;
use crate::store::visibility;
use rocksdb::SnapshotWithThreadMode;
use std::sync::Arc;
use std::time::Duration;

/// The most entries that one batch drops, so that no write waits long for it.
const BATCH: usize = 1000;

/// How much a garbage collection dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CollectionStats {
    /// Entries of the change log.
    pub changes: u64,
    /// Relationships that had been removed or replaced.
    pub deleted: u64,
    /// Relationships that had expired, whether or not they were removed later.
    pub expired: u64,
    /// Schemas that had been replaced.
    pub schemas: u64,
}

/// Moves the horizon up to `window` before `now`, but not past a pinned revision, then drops everything before it. Does the
/// same with the relationships that expired.
pub(in crate::store) fn collect(
    db: &Db,
    writer: &WriterThread,
    (window, pins): (Duration, &Pins),
    now: Timestamp,
) -> Result<CollectionStats, WriteError<TransactionError>> {
    let mut stats = CollectionStats::default();
    let Some(oldest) = time::before(now, window) else { return Ok(stats) };
    let pass = CollectionPass { writer, now };

    // The horizon moves first, so that no read begins at a revision that is about to be dropped.
    let (revisions, expirations) = (Arc::clone(&pins.revisions), Arc::clone(&pins.expirations));
    let (horizon, expired) = pass.run(move |transaction| {
        let horizon = move_horizon(transaction, oldest, revisions.oldest());
        transaction.batch.set(ColumnFamily::Meta, meta_keys::COLLECTED, &log_keys::time(now))?;
        Ok((horizon, move_expired(transaction, oldest, expirations.oldest())?))
    })?;

    let snapshot = SnapshotWithThreadMode::new(db);
    let source = ReadSource::snapshot(db, &snapshot, ReadTier::Disk);
    (stats.changes, stats.deleted) = pass.changes(source, horizon)?;
    let (changes, deleted) = pass.prepared(source, horizon)?;
    stats.changes += changes;
    stats.deleted += deleted;
    stats.expired = pass.expired(source, expired)?;
    stats.schemas = pass.schemas(source, horizon)?;
    pass.visibility(source, horizon)?;
    Ok(stats)
}

/// The head itself stays readable, however old it is.
fn move_horizon(
    transaction: &mut Transaction<'_>,
    oldest: Timestamp,
    oldest_pinned: Option<Revision>,
) -> Revision {
    let head = &mut transaction.batch.head;
    let allowed = oldest_pinned.unwrap_or(head.revision).min(head.revision);
    head.horizon = head.horizon.max(time::revision_of(oldest).min(allowed));
    debug_assert!(head.horizon <= head.revision, "the head stays readable");
    head.horizon
}

/// Records the time up to which expirations are going to be dropped, which is not after a pinned time.
fn move_expired(
    transaction: &mut Transaction<'_>,
    oldest: Timestamp,
    oldest_pinned: Option<Timestamp>,
) -> Result<Timestamp, TransactionError> {
    let expired = oldest_pinned.map_or(oldest, |pinned| pinned.min(oldest));
    let before = expirations::collected(transaction.batch.source())?;
    if before.is_none_or(|before| before < expired) {
        transaction.batch.set(ColumnFamily::Meta, meta_keys::EXPIRED, &log_keys::time(expired))?;
    }
    Ok(expired)
}

/// A collection in progress.
struct CollectionPass<'p> {
    writer: &'p WriterThread,
    now: Timestamp,
}

impl CollectionPass<'_> {
    /// Drops change log entries at or before the horizon, and the deleted rows that their revisions made.
    fn changes(
        &self,
        source: ReadSource<'_>,
        horizon: Revision,
    ) -> Result<(u64, u64), WriteError<TransactionError>> {
        let mut deleted = 0;
        let old = |item: KeyValue<'_>| {
            let change = OldChange::from_entry(item, horizon)?;
            deleted += u64::from(change.as_ref().is_some_and(|change| change.deleted.is_some()));
            Ok(change)
        };
        let drop = |transaction: &mut Transaction<'_>, change: &OldChange| {
            if let Some((by_resource, by_subject)) = &change.deleted {
                transaction.batch.clear(ColumnFamily::Deleted, by_resource)?;
                transaction.batch.clear(ColumnFamily::DeletedBySubject, by_subject)?;
            }
            Ok(transaction.batch.clear(ColumnFamily::Changes, &change.key)?)
        };
        let count = self.each(source, (ColumnFamily::Changes, &[]), old, drop)?;
        Ok((count, deleted))
    }

    /// Drops the change log entries of the prepared revisions that were published at or before the horizon, the deleted rows
    /// that they made, and these themselves: every readable revision comes after them.
    fn prepared(
        &self,
        source: ReadSource<'_>,
        horizon: Revision,
    ) -> Result<(u64, u64), WriteError<TransactionError>> {
        let (mut count, mut deleted) = (0, 0);
        for mark in
            self.run(move |transaction| Ok(transaction.batch.prepared.published_until(horizon)))?
        {
            let entry = |item: KeyValue<'_>| {
                let change = PreparedChange::from_entry(source, item, mark, self.now)?;
                deleted += u64::from(change.deleted.is_some());
                Ok(Some(change))
            };
            let drop = |transaction: &mut Transaction<'_>, change: &PreparedChange| {
                change.drop_from(transaction)
            };
            let entries = (ColumnFamily::Changes, mark.0.to_be_bytes());
            count += self.each(source, (entries.0, &entries.1), entry, drop)?;
            self.run(move |transaction| transaction.forget_prepared(mark))?;
        }
        Ok((count, deleted))
    }

    /// Drops live rows whose expiration lies before the window. No read shows them, at whatever revision, so they leave no
    /// deleted row and no change.
    fn expired(
        &self,
        source: ReadSource<'_>,
        expired: Timestamp,
    ) -> Result<u64, WriteError<TransactionError>> {
        let old = |(key, _): KeyValue<'_>| {
            let is_old = log_keys::split_time(key)?.0 <= expired;
            Ok(is_old.then(|| key.to_vec()))
        };
        let drop =
            |transaction: &mut Transaction<'_>, entry: &Vec<u8>| drop_expired(transaction, entry);
        self.each(source, (ColumnFamily::Expiring, &[]), old, drop)
    }

    /// Drops schemas that were replaced at or before the horizon.
    fn schemas(
        &self,
        source: ReadSource<'_>,
        horizon: Revision,
    ) -> Result<u64, WriteError<TransactionError>> {
        let in_force = schema_in_force(source, horizon).map_err(unreadable)?;
        let old = |(key, _): KeyValue<'_>| {
            let replaced = in_force.as_deref().is_some_and(|in_force| key < in_force);
            Ok(replaced.then(|| key.to_vec()))
        };
        let drop = |transaction: &mut Transaction<'_>, key: &Vec<u8>| {
            Ok(transaction.batch.clear(ColumnFamily::Schema, key)?)
        };
        self.each(source, (ColumnFamily::Schema, &[]), old, drop)
    }

    /// Drops the times at which revisions before the horizon became visible.
    fn visibility(
        &self,
        source: ReadSource<'_>,
        horizon: Revision,
    ) -> Result<(), WriteError<TransactionError>> {
        let old = |item: KeyValue<'_>| visibility::old_record(item, horizon);
        let start = (ColumnFamily::Meta, meta_keys::VISIBLE_PREFIX);
        let clear = |transaction: &mut Transaction<'_>, key: &Vec<u8>| {
            Ok(transaction.batch.clear(ColumnFamily::Meta, key)?)
        };
        self.each(source, start, old, clear).map(drop)
    }

    /// Drops the entries of a column family with a common key prefix, up to the first that is not old, and returns how many
    /// there were.
    fn each<E: Send + 'static>(
        &self,
        source: ReadSource<'_>,
        (family, prefix): (ColumnFamily, &[u8]),
        mut old: impl FnMut(KeyValue<'_>) -> Result<Option<E>, ReadError>,
        drop: fn(&mut Transaction<'_>, &E) -> Result<(), TransactionError>,
    ) -> Result<u64, WriteError<TransactionError>> {
        let mut cursor = source.cursor(family, prefix).map_err(unreadable)?;
        cursor.seek(prefix);
        let mut count = 0;
        loop {
            let batch = read_batch(&mut cursor, &mut old).map_err(unreadable)?;
            if batch.is_empty() {
                return Ok(count);
            }
            count += u64::try_from(batch.len()).unwrap_or(u64::MAX);
            self.run(move |transaction| {
                batch.iter().try_for_each(|entry| drop(transaction, entry))
            })?;
        }
    }

    fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, TransactionError> + Send + 'static,
    ) -> Result<T, WriteError<TransactionError>> {
        let options = WriteOptions::new(WriteClock::from(self.now));
        self.writer.run(JobKind::Collection, options, work).map(|(_, done)| done)
    }
}

fn unreadable(error: ReadError) -> WriteError<TransactionError> {
    WriteError::Refused(error.into())
}

fn read_batch<E>(
    cursor: &mut KeyCursor<'_>,
    mut old: impl FnMut(KeyValue<'_>) -> Result<Option<E>, ReadError>,
) -> Result<Vec<E>, ReadError> {
    let mut batch = Vec::new();
    while batch.len() < BATCH
        && let Some(item) = cursor.item()?
        && let Some(entry) = old(item)?
    {
        batch.push(entry);
        cursor.advance();
    }
    Ok(batch)
}

/// An entry of the change log that no read can ask for any more.
struct OldChange {
    key: Vec<u8>,
    /// The keys of the deleted row that the change made.
    deleted: Option<(Vec<u8>, Vec<u8>)>,
}

impl OldChange {
    /// The entry, when its revision is at or before the horizon.
    fn from_entry(
        (key, value): KeyValue<'_>,
        horizon: Revision,
    ) -> Result<Option<Self>, ReadError> {
        let (revision, _) = log_keys::split_change(key)?;
        if revision > horizon {
            return Ok(None);
        }

        let removed = match ChangeRecord::from_bytes(value)? {
            ChangeRecord::Touched { replaced: true, row, .. } | ChangeRecord::Deleted(row) => {
                Some(row)
            }
            ChangeRecord::Touched { .. }
            | ChangeRecord::SchemaWritten
            | ChangeRecord::Metadata(_)
            | ChangeRecord::Writer(_)
            | ChangeRecord::Prepared(_) => None,
        };
        let deleted = removed.map(|row| {
            let deleted = |key: &[u8]| keys::deleted(key, revision);
            (deleted(&row.by_resource()), deleted(&row.by_subject()))
        });
        Ok(Some(Self { key: key.to_vec(), deleted }))
    }
}

/// An entry of the change log under a mark that no read can ask for any more.
struct PreparedChange {
    key: Vec<u8>,
    /// The keys of the deleted row that the change made.
    deleted: Option<(Vec<u8>, Vec<u8>)>,
    /// The entry of `expiring` that it had, with the key of the row in `live`.
    expiring: Option<(Timestamp, Vec<u8>)>,
}

impl PreparedChange {
    fn from_entry(
        source: ReadSource<'_>,
        (key, value): KeyValue<'_>,
        mark: Revision,
        now: Timestamp,
    ) -> Result<Self, ReadError> {
        let mut change = Self { key: key.to_vec(), deleted: None, expiring: None };
        let ChangeRecord::Deleted(row) = ChangeRecord::from_bytes(value)? else {
            return Ok(change);
        };
        let key = row.by_resource();
        let deleted = keys::deleted(&key, mark);
        let Some(value) = source.get(ColumnFamily::Deleted, &deleted)? else { return Ok(change) };
        change.deleted = Some((deleted, keys::deleted(&row.by_subject(), mark)));
        // What has expired stays known until it is collected as such.
        let expires_at = values::expiration(values::split_row(&value)?.1)?;
        change.expiring = expires_at.filter(|at| *at > now).map(|at| (at, key));
        Ok(change)
    }

    fn drop_from(&self, transaction: &mut Transaction<'_>) -> Result<(), TransactionError> {
        if let Some((by_resource, by_subject)) = &self.deleted {
            transaction.batch.clear(ColumnFamily::Deleted, by_resource)?;
            transaction.batch.clear(ColumnFamily::DeletedBySubject, by_subject)?;
        }
        // The same relationship may have been created again.
        if let Some((at, key)) = &self.expiring
            && expirations::live_expiration(transaction.batch.source(), key)? != Some(*at)
        {
            transaction.batch.clear(ColumnFamily::Expiring, &log_keys::expiring(*at, key))?;
        }
        Ok(transaction.batch.clear(ColumnFamily::Changes, &self.key)?)
    }
}

/// Drops an entry of `expiring` with its row, unless the row is gone or was replaced by one with another expiration.
fn drop_expired(transaction: &mut Transaction<'_>, entry: &[u8]) -> Result<(), TransactionError> {
    let (at, key) = log_keys::split_time(entry)?;
    let source = transaction.batch.source();
    let is_pending = transaction.batch.live_row(key)?.is_none();
    if expirations::live_expiration(source, key)? == Some(at) {
        if is_pending {
            // The row lies in its place until it is published or removed.
            return Ok(());
        }
        let row = RowKey::from_by_resource(key)?;
        transaction.batch.clear(ColumnFamily::Live, key)?;
        transaction.batch.clear(ColumnFamily::LiveBySubject, &row.by_subject())?;
    }
    Ok(transaction.batch.clear(ColumnFamily::Expiring, entry)?)
}

/// The key of the schema that is in force at a revision.
fn schema_in_force(source: ReadSource<'_>, at: Revision) -> Result<Option<Vec<u8>>, ReadError> {
    let mut cursor = source.cursor(ColumnFamily::Schema, &[])?;
    cursor.seek_back(&log_keys::schema(at));
    Ok(cursor.item()?.map(|(key, _)| key.to_vec()))
}
