//! Preparing a deletion: its rows are moved to the deleted ones in pieces, with other writes in between; see `prepared`.

use super::clock::WriteClock;
use super::error::{TransactionError, WriteError};
use super::job::JobKind;
use super::options::{IsInterrupted, WriteOptions};
use super::prepare::{PrepareError, PreparedWrite};
use super::resources::Reserve;
use super::spill_quota::SpillError;
use super::transaction::Transaction;
use crate::relationship::{ObjectRef, Relationship, Revision};
use crate::store::handle::Store;
use crate::store::layout::keys;
use crate::store::layout::log_keys;
use crate::store::layout::values::{self, ChangeRecord};
use crate::store::prepared::{PreparedKind, PreparedState, ReclaimedRows};
use crate::store::rocks::column_family::ColumnFamily;
use std::sync::Arc;

/// Relationships that are going to be deleted together, and exist until then: [`Transaction::publish_deletion`] deletes them, all at
/// once. When this is dropped before, they are moved back in the background.
#[derive(Debug)]
pub struct PreparedDeletion {
    write: PreparedWrite,
    /// How many rows have been moved.
    moved: u32,
    /// How many of them have the resource that is counted apart.
    moved_of_resource: u32,
}

/// How many relationships a prepared deletion deletes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DeletionCounts {
    /// All of them.
    pub all: u64,
    /// Those with the resource that is counted apart.
    pub of_resource: u64,
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
        Ok(PreparedDeletion { write, moved: 0, moved_of_resource: 0 })
    }

    /// Has the relationships of a deletion counted apart that have this object as resource. To be called before any is added.
    pub fn count_apart(
        &self,
        deletion: &PreparedDeletion,
        resource: &ObjectRef,
    ) -> Result<(), PrepareError> {
        let (mark, resource) = (deletion.write.mark, resource.clone());
        let work = move |transaction: &mut Transaction<'_>| {
            let batch = &mut transaction.batch;
            let object_type = batch.name(resource.object_type())?;
            let prepared = Arc::make_mut(&mut batch.prepared);
            prepared.count_apart(mark, object_type, resource.object_id());
            Ok::<_, TransactionError>(())
        };
        let options = WriteOptions::new(&deletion.write.clock);
        self.writer.run(JobKind::Collection, options, work)?;
        Ok(())
    }

    /// Adds relationships to a deletion, as far as they exist. They should be few, since other writes wait for that.
    pub fn add_to_deletion(
        &self,
        deletion: &mut PreparedDeletion,
        relationships: Vec<Relationship>,
        interrupted: &IsInterrupted,
    ) -> Result<(), PrepareError> {
        self.inner.require_resources(Reserve::Half).map_err(WriteError::NoRoom)?;
        let mark = deletion.write.mark;
        let (mut next, mut of_resource) = (deletion.moved, deletion.moved_of_resource);
        let work = move |transaction: &mut Transaction<'_>| {
            for relationship in &relationships {
                let Some(is_of_resource) = transaction.hide(mark, next, relationship)? else {
                    continue;
                };
                next += 1;
                of_resource += u32::from(is_of_resource);
            }
            Ok::<_, TransactionError>((next, of_resource))
        };
        let options = WriteOptions::new(&deletion.write.clock);
        let options = options.interrupted_by(Arc::clone(interrupted));
        let (_, moved) = self.writer.run(JobKind::DeletionPiece, options, work)?;
        (deletion.moved, deletion.moved_of_resource) = moved;
        Ok(())
    }
}

impl Transaction<'_> {
    /// Deletes the relationships of a prepared deletion with this write, as its last changes, except for those that other writes
    /// have changed since they were added. Returns the numbers.
    pub fn publish_deletion(
        &mut self,
        deletion: &mut PreparedDeletion,
    ) -> Result<DeletionCounts, TransactionError> {
        let reclaimed = match self.batch.prepared.state(deletion.write.mark) {
            Some(PreparedState::Pending { reclaimed, .. }) => reclaimed.clone(),
            Some(_) | None => ReclaimedRows::default(),
        };
        self.publish(&mut deletion.write)?;
        let of_resource = u64::from(deletion.moved_of_resource);
        Ok(DeletionCounts {
            all: u64::from(deletion.moved).saturating_sub(reclaimed.all),
            of_resource: of_resource.saturating_sub(reclaimed.of_resource),
        })
    }

    /// Moves a row to the deleted ones, under a mark and as the change with this number. `None` when there is none, or else whether its
    /// resource is counted apart.
    fn hide(
        &mut self,
        mark: Revision,
        ordinal: u32,
        relationship: &Relationship,
    ) -> Result<Option<bool>, TransactionError> {
        let Some(row) = self.known_key(relationship) else { return Ok(None) };
        let (key, by_subject) = (row.by_resource(), row.by_subject());
        let moved = keys::deleted(&key, mark);
        let batch = &mut self.batch;
        if batch.source().get(ColumnFamily::Deleted, &moved)?.is_some() {
            return Ok(None);
        }
        // One that was given up may not have moved it back yet.
        batch.reclaim(&row, &key)?;
        let value = batch.source().get(ColumnFamily::Live, &key)?.map(|value| value.to_vec());
        let Some(value) = value else { return Ok(None) };
        if batch.prepared.hides(values::split_row(&value)?.0) {
            return Ok(None);
        }

        batch.set(ColumnFamily::Deleted, &moved, &value)?;
        batch.set(ColumnFamily::DeletedBySubject, &keys::deleted(&by_subject, mark), &value)?;
        batch.clear(ColumnFamily::Live, &key)?;
        batch.clear(ColumnFamily::LiveBySubject, &by_subject)?;
        let record = ChangeRecord::Deleted(row).bytes();
        batch.set(ColumnFamily::Changes, &log_keys::change(mark, ordinal), &record)?;
        Ok(Some(match batch.prepared.state(mark) {
            Some(PreparedState::Pending { reclaimed, .. }) => reclaimed.counts_apart(&row),
            Some(_) | None => false,
        }))
    }
}
