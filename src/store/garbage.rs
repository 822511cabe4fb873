//! Garbage collection: forgets what no readable revision shows.
//!
//! A pass looks for what is old on a snapshot of its own, so that it steps over every entry once and no write waits
//! for it to look. Only the removal of what it found goes through the writer, in small batches between the writes.

use super::expirations;
use super::holds::Holds;
use super::job::{Kind, WriteError, WriteOptions};
use super::keys::{self, RowKey};
use super::rocks::{Cursor, Db, Family, Item, Reach, Source};
use super::time;
use super::transaction::Transaction;
use super::values::Logged;
use super::visibility;
use super::writer::Writer;
use crate::relationship::{ReadError, Revision, Timestamp};
use rocksdb::SnapshotWithThreadMode;
use std::sync::Arc;
use std::time::Duration;

/// The most entries that one batch drops, so that writes need not wait long.
const BATCH: usize = 1000;

/// What a collection dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Entries of the change log.
    pub changes: u64,
    /// Relationships that had been removed or replaced.
    pub dead: u64,
    /// Relationships that had expired, whether or not somebody removed them later.
    pub expired: u64,
    /// Schemas that had been replaced.
    pub schemas: u64,
}

/// Moves the horizon up to `window` before `now`, but not beyond a revision that is held, then drops everything behind
/// it. Goes the same way with the relationships that expired.
pub(super) fn collect(
    db: &Db,
    writer: &Writer,
    (window, holds): (Duration, &Holds),
    now: Timestamp,
) -> Result<Collected, WriteError<ReadError>> {
    let mut collected = Collected::default();
    let Some(oldest) = time::before(now, window) else { return Ok(collected) };
    let pass = Pass { writer, now };
    // First of all, so that nobody starts to read what is about to go.
    let (revisions, expirations) = (Arc::clone(&holds.revisions), Arc::clone(&holds.expirations));
    let (horizon, expired) = pass.run(move |transaction| {
        let horizon = move_horizon(transaction, oldest, revisions.oldest());
        transaction.set(Family::Meta, keys::COLLECTED, &keys::time(now))?;
        Ok((horizon, move_expired(transaction, oldest, expirations.oldest())?))
    })?;
    let snapshot = SnapshotWithThreadMode::new(db);
    let source = Source::snapshot(db, &snapshot, Reach::Disk);
    (collected.changes, collected.dead) = pass.changes(source, horizon)?;
    collected.expired = pass.expired(source, expired)?;
    collected.schemas = pass.schemas(source, horizon)?;
    pass.visibility(source, horizon)?;
    Ok(collected)
}

/// The head itself stays readable, however old it is.
fn move_horizon(
    transaction: &mut Transaction<'_>,
    oldest: Timestamp,
    oldest_held: Option<Revision>,
) -> Revision {
    let head = &mut transaction.head;
    let allowed = oldest_held.unwrap_or(head.revision).min(head.revision);
    head.horizon = head.horizon.max(time::revision_of(oldest).min(allowed));
    head.horizon
}

/// Notes up to which time expirations are going to be forgotten, which is not beyond a time that is held.
fn move_expired(
    transaction: &Transaction<'_>,
    oldest: Timestamp,
    oldest_held: Option<Timestamp>,
) -> Result<Timestamp, ReadError> {
    let expired = oldest_held.map_or(oldest, |held| held.min(oldest));
    let before = expirations::collected(transaction.source())?;
    if before.is_none_or(|before| before < expired) {
        transaction.set(Family::Meta, keys::EXPIRED, &keys::time(expired))?;
    }
    Ok(expired)
}

/// A collection under way.
struct Pass<'p> {
    writer: &'p Writer,
    now: Timestamp,
}

impl Pass<'_> {
    /// Change log entries behind the horizon, and the dead rows that their revisions made.
    fn changes(
        &self,
        source: Source<'_>,
        horizon: Revision,
    ) -> Result<(u64, u64), WriteError<ReadError>> {
        let mut dead = 0;
        let old = |item: Item<'_>| {
            let change = OldChange::of(item, horizon)?;
            dead += u64::from(change.as_ref().is_some_and(|change| change.dead.is_some()));
            Ok(change)
        };
        let drop = |transaction: &mut Transaction<'_>, change: &OldChange| {
            if let Some((by_resource, by_subject)) = &change.dead {
                transaction.clear(Family::Dead, by_resource)?;
                transaction.clear(Family::DeadBySubject, by_subject)?;
            }
            transaction.clear(Family::Changes, &change.key)
        };
        let count = self.each(source, (Family::Changes, &[]), old, drop)?;
        Ok((count, dead))
    }

    /// Live rows whose expiration lies before the window. No reader sees them, at whatever revision, so they leave no
    /// dead row and no change behind.
    fn expired(
        &self,
        source: Source<'_>,
        expired: Timestamp,
    ) -> Result<u64, WriteError<ReadError>> {
        let old = |(key, _): Item<'_>| {
            let is_old = keys::take_time(key)?.0 <= expired;
            Ok(is_old.then(|| key.to_vec()))
        };
        let drop =
            |transaction: &mut Transaction<'_>, entry: &Vec<u8>| drop_expired(transaction, entry);
        self.each(source, (Family::Expiring, &[]), old, drop)
    }

    /// Schemas that were replaced at or before the horizon.
    fn schemas(&self, source: Source<'_>, horizon: Revision) -> Result<u64, WriteError<ReadError>> {
        let in_force = schema_in_force(source, horizon).map_err(WriteError::Refused)?;
        let old = |(key, _): Item<'_>| {
            let replaced = in_force.as_deref().is_some_and(|in_force| key < in_force);
            Ok(replaced.then(|| key.to_vec()))
        };
        let drop = |transaction: &mut Transaction<'_>, key: &Vec<u8>| {
            transaction.clear(Family::Schema, key)
        };
        self.each(source, (Family::Schema, &[]), old, drop)
    }

    /// Times at which revisions behind the horizon became visible.
    fn visibility(
        &self,
        source: Source<'_>,
        horizon: Revision,
    ) -> Result<(), WriteError<ReadError>> {
        let old = |item: Item<'_>| visibility::old_record(item, horizon);
        let start = (Family::Meta, keys::VISIBLE_PREFIX);
        let forget =
            |transaction: &mut Transaction<'_>, key: &Vec<u8>| transaction.clear(Family::Meta, key);
        self.each(source, start, old, forget).map(drop)
    }

    /// Drops the entries of a family whose keys start alike, up to the first that is not old, and says how many there
    /// were.
    fn each<E: Send + 'static>(
        &self,
        source: Source<'_>,
        (family, prefix): (Family, &[u8]),
        mut old: impl FnMut(Item<'_>) -> Result<Option<E>, ReadError>,
        drop: fn(&mut Transaction<'_>, &E) -> Result<(), ReadError>,
    ) -> Result<u64, WriteError<ReadError>> {
        let mut cursor = source.cursor(family, prefix).map_err(WriteError::Refused)?;
        cursor.seek(prefix);
        let mut count = 0;
        loop {
            let batch = take_batch(&mut cursor, &mut old).map_err(WriteError::Refused)?;
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
        work: impl FnOnce(&mut Transaction<'_>) -> Result<T, ReadError> + Send + 'static,
    ) -> Result<T, WriteError<ReadError>> {
        self.writer.run(Kind::Collection, WriteOptions::new(self.now), work).map(|(_, done)| done)
    }
}

fn take_batch<E>(
    cursor: &mut Cursor<'_>,
    mut old: impl FnMut(Item<'_>) -> Result<Option<E>, ReadError>,
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

/// An entry of the change log that nobody may ask for any more.
struct OldChange {
    key: Vec<u8>,
    /// The keys of the row that the change made a dead one.
    dead: Option<(Vec<u8>, Vec<u8>)>,
}

impl OldChange {
    /// The entry, when it lies behind the horizon.
    fn of((key, value): Item<'_>, horizon: Revision) -> Result<Option<Self>, ReadError> {
        let (revision, _) = keys::split_change(key)?;
        if revision > horizon {
            return Ok(None);
        }
        let removed = match Logged::from_bytes(value)? {
            Logged::Touched { replaced: true, row, .. } | Logged::Deleted(row) => Some(row),
            Logged::Touched { .. } | Logged::SchemaWritten | Logged::Metadata(_) => None,
        };
        let dead = removed.map(|row| {
            let dead = |key: &[u8]| keys::dead(key, revision);
            (dead(&row.by_resource()), dead(&row.by_subject()))
        });
        Ok(Some(Self { key: key.to_vec(), dead }))
    }
}

/// Drops an entry of `expiring`, and its row unless that is gone or was replaced by one that expires at another time.
fn drop_expired(transaction: &Transaction<'_>, entry: &[u8]) -> Result<(), ReadError> {
    let (at, key) = keys::take_time(entry)?;
    if expirations::of_row(transaction.source(), key)? == Some(at) {
        let row = RowKey::from_by_resource(key)?;
        transaction.clear(Family::Live, key)?;
        transaction.clear(Family::LiveBySubject, &row.by_subject())?;
    }
    transaction.clear(Family::Expiring, entry)
}

/// The key of the schema that is in force at a revision.
fn schema_in_force(source: Source<'_>, at: Revision) -> Result<Option<Vec<u8>>, ReadError> {
    let mut cursor = source.cursor(Family::Schema, &[])?;
    cursor.seek_back(&keys::schema(at));
    Ok(cursor.item()?.map(|(key, _)| key.to_vec()))
}
