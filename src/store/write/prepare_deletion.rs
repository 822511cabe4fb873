//! Preparing a deletion: its rows are moved to the deleted ones in pieces, with other writes in between; see `prepared`.

use super::clock::WriteClock;
use super::error::{TransactionError, WriteError};
use super::job::JobKind;
use super::options::{IsInterrupted, WriteOptions};
use super::prepare::{PrepareError, PreparedWrite};
use super::resources::Reserve;
use super::spill_quota::SpillError;
use super::transaction::Transaction;
use crate::relationship::{Relationship, Revision};
use crate::store::handle::Store;
use crate::store::layout::keys;
use crate::store::layout::log_keys;
use crate::store::layout::values::{self, ChangeRecord};
use crate::store::prepared::{PreparedKind, PreparedState};
use crate::store::rocks::column_family::ColumnFamily;
use std::sync::Arc;

/// Relationships that are going to be deleted together, and exist until then: [`Transaction::publish_deletion`] deletes them, all at
/// once. When this is dropped before, they are moved back in the background.
#[derive(Debug)]
pub struct PreparedDeletion {
    write: PreparedWrite,
    /// How many rows have been moved.
    moved: u32,
}

impl Store {
    /// Begins a deletion without a relationship. One revision is prepared at a time; another caller waits.
    pub fn prepare_deletion(
        &self,
        clock: impl Into<WriteClock>,
        interrupted: &IsInterrupted,
    ) -> Result<PreparedDeletion, PrepareError> {
        if self.is_read_only {
            return Err(WriteError::ReadOnly.into());
        }
        let turn = self.preparing.take(&**interrupted).map_err(SpillError::from)?;
        let clock = clock.into();
        self.inner.require_resources(Reserve::Half).map_err(WriteError::NoRoom)?;
        let begin = |transaction: &mut Transaction<'_>| {
            let prepared = Arc::make_mut(&mut transaction.batch.prepared);
            let mark = prepared.begin(PreparedKind::Deletion);
            transaction.note_prepared(mark).map(|()| mark)
        };
        let (_, mark) = self.writer.run(JobKind::Collection, WriteOptions::new(&clock), begin)?;
        let writer = self.writer.sender();
        let write = PreparedWrite { mark, is_published: false, writer, clock, _turn: turn };
        Ok(PreparedDeletion { write, moved: 0 })
    }

    /// Adds relationships to a deletion, as far as they exist. They should be few, since other writes wait for that.
    pub fn add_to_deletion(
        &self,
        deletion: &mut PreparedDeletion,
        relationships: Vec<Relationship>,
        interrupted: &IsInterrupted,
    ) -> Result<(), PrepareError> {
        self.inner.require_resources(Reserve::Half).map_err(WriteError::NoRoom)?;
        let (mark, mut next) = (deletion.write.mark, deletion.moved);
        let work = move |transaction: &mut Transaction<'_>| {
            for relationship in &relationships {
                next += u32::from(transaction.hide(mark, next, relationship)?);
            }
            Ok::<_, TransactionError>(next)
        };
        let options = WriteOptions::new(&deletion.write.clock);
        let options = options.interrupted_by(Arc::clone(interrupted));
        deletion.moved = self.writer.run(JobKind::Collection, options, work)?.1;
        Ok(())
    }
}

impl Transaction<'_> {
    /// Deletes the relationships of a prepared deletion with this write, as its last changes, except for those that other writes
    /// have changed since they were added. Returns the number.
    pub fn publish_deletion(
        &mut self,
        deletion: &mut PreparedDeletion,
    ) -> Result<u64, TransactionError> {
        let reclaimed = match self.batch.prepared.state(deletion.write.mark) {
            Some(PreparedState::Pending { reclaimed, .. }) => *reclaimed,
            Some(_) | None => 0,
        };
        self.publish(&mut deletion.write)?;
        Ok(u64::from(deletion.moved).saturating_sub(reclaimed))
    }

    /// Moves a row to the deleted ones, under a mark and as the change with this number. `false` when there is none.
    fn hide(
        &mut self,
        mark: Revision,
        ordinal: u32,
        relationship: &Relationship,
    ) -> Result<bool, TransactionError> {
        let Some(row) = self.known_key(relationship) else { return Ok(false) };
        let (key, by_subject) = (row.by_resource(), row.by_subject());
        let moved = keys::deleted(&key, mark);
        let batch = &mut self.batch;
        if batch.source().get(ColumnFamily::Deleted, &moved)?.is_some() {
            return Ok(false);
        }
        // One that was given up may not have moved it back yet.
        batch.reclaim(&row, &key)?;
        let value = batch.source().get(ColumnFamily::Live, &key)?.map(|value| value.to_vec());
        let Some(value) = value else { return Ok(false) };
        if batch.prepared.hides(values::split_row(&value)?.0) {
            return Ok(false);
        }

        batch.set(ColumnFamily::Deleted, &moved, &value)?;
        batch.set(ColumnFamily::DeletedBySubject, &keys::deleted(&by_subject, mark), &value)?;
        batch.clear(ColumnFamily::Live, &key)?;
        batch.clear(ColumnFamily::LiveBySubject, &by_subject)?;
        let record = ChangeRecord::Deleted(row).bytes();
        batch.set(ColumnFamily::Changes, &log_keys::change(mark, ordinal), &record)?;
        Ok(true)
    }
}
