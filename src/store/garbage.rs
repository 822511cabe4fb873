//! Garbage collection: forgets what no readable revision shows.

use super::keys::{self, RowKey};
use super::rocks::Family;
use super::time;
use super::transaction::Transaction;
use super::values::{self, Logged};
use super::writer::{Kind, WriteError, Writer};
use crate::relationship::{ReadError, Revision, Timestamp};
use std::time::Duration;

/// The most entries that one batch looks at, so that writes need not wait long.
const BATCH: usize = 1000;

/// What a collection dropped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Collected {
    /// Entries of the change log.
    pub changes: u64,
    /// Relationships that had been removed or replaced.
    pub dead: u64,
    /// Relationships that had expired.
    pub expired: u64,
    /// Schemas that had been replaced.
    pub schemas: u64,
}

impl Collected {
    fn add(&mut self, other: Self) {
        self.changes += other.changes;
        self.dead += other.dead;
        self.expired += other.expired;
        self.schemas += other.schemas;
    }

    fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// Moves the horizon up to `window` before `now`, then drops everything behind it.
pub(super) fn collect(
    writer: &Writer,
    window: Duration,
    now: Timestamp,
) -> Result<Collected, WriteError<ReadError>> {
    let mut collected = Collected::default();
    let Some(oldest) = time::before(now, window) else { return Ok(collected) };
    let run = |work: fn(&mut Transaction<'_>, Timestamp) -> Result<Collected, ReadError>| {
        let batch = writer.run(Kind::Collection, now, move |transaction| work(transaction, oldest));
        batch.map(|(_, collected)| collected)
    };
    // First of all, so that nobody starts to read what is about to go.
    run(|transaction, oldest| {
        move_horizon(transaction, oldest);
        Ok(Collected::default())
    })?;
    for step in [changes, expired, schemas] {
        loop {
            let batch = run(step)?;
            if batch.is_nothing() {
                break;
            }
            collected.add(batch);
        }
    }
    Ok(collected)
}

/// The head itself stays readable, however old it is.
fn move_horizon(transaction: &mut Transaction<'_>, oldest: Timestamp) {
    let head = &mut transaction.head;
    head.horizon = head.horizon.max(time::revision_of(oldest).min(head.revision));
}

/// Change log entries behind the horizon, and the dead rows that their revisions made.
fn changes(transaction: &mut Transaction<'_>, _: Timestamp) -> Result<Collected, ReadError> {
    let mut collected = Collected::default();
    for (key, revision, value) in old_changes(transaction)? {
        let dead = match Logged::from_bytes(&value)? {
            Logged::Touched { replaced: true, row, .. } | Logged::Deleted(row) => Some(row),
            Logged::Touched { .. } | Logged::SchemaWritten | Logged::Metadata(_) => None,
        };
        if let Some(row) = dead {
            transaction.clear(Family::Dead, &keys::dead(&row.by_resource(), revision))?;
            transaction.clear(Family::DeadBySubject, &keys::dead(&row.by_subject(), revision))?;
            collected.dead += 1;
        }
        transaction.clear(Family::Changes, &key)?;
        collected.changes += 1;
    }
    Ok(collected)
}

type OldChange = (Vec<u8>, Revision, Vec<u8>);

fn old_changes(transaction: &Transaction<'_>) -> Result<Vec<OldChange>, ReadError> {
    let mut found = Vec::new();
    let mut cursor = transaction.source().cursor(Family::Changes, &[])?;
    cursor.seek(&[]);
    while found.len() < BATCH
        && let Some((key, value)) = cursor.item()?
    {
        let (revision, _) = keys::split_change(key)?;
        if revision > transaction.head.horizon {
            break;
        }
        found.push((key.to_vec(), revision, value.to_vec()));
        cursor.advance();
    }
    Ok(found)
}

/// Live rows whose expiration lies before the window. No reader sees them, at whatever revision, so they leave no dead
/// row and no change behind.
fn expired(transaction: &mut Transaction<'_>, oldest: Timestamp) -> Result<Collected, ReadError> {
    let mut collected = Collected::default();
    for entry in expired_entries(transaction, oldest)? {
        let (at, key) = keys::take_time(&entry)?;
        if expires_at(transaction, key)? == Some(at) {
            let row = RowKey::from_by_resource(key)?;
            transaction.clear(Family::Live, key)?;
            transaction.clear(Family::LiveBySubject, &row.by_subject())?;
        }
        transaction.clear(Family::Expiring, &entry)?;
        collected.expired += 1;
    }
    Ok(collected)
}

fn expires_at(transaction: &Transaction<'_>, key: &[u8]) -> Result<Option<Timestamp>, ReadError> {
    match transaction.source().get(Family::Live, key)? {
        Some(value) => Ok(values::expiration(values::split_row(&value)?.1)?),
        None => Ok(None),
    }
}

fn expired_entries(
    transaction: &Transaction<'_>,
    oldest: Timestamp,
) -> Result<Vec<Vec<u8>>, ReadError> {
    let mut found = Vec::new();
    let mut cursor = transaction.source().cursor(Family::Expiring, &[])?;
    cursor.seek(&[]);
    while found.len() < BATCH
        && let Some((key, _)) = cursor.item()?
    {
        if keys::take_time(key)?.0 > oldest {
            break;
        }
        found.push(key.to_vec());
        cursor.advance();
    }
    Ok(found)
}

/// Schemas that were replaced at or before the horizon.
fn schemas(transaction: &mut Transaction<'_>, _: Timestamp) -> Result<Collected, ReadError> {
    let mut old = Vec::new();
    let mut cursor = transaction.source().cursor(Family::Schema, &[])?;
    cursor.seek(&[]);
    while old.len() <= BATCH
        && let Some((key, _)) = cursor.item()?
        && keys::schema_revision(key)? <= transaction.head.horizon
    {
        old.push(key.to_vec());
        cursor.advance();
    }
    // The newest of them is in force at the horizon.
    old.pop();
    let mut collected = Collected::default();
    for key in &old {
        transaction.clear(Family::Schema, key)?;
        collected.schemas += 1;
    }
    Ok(collected)
}
