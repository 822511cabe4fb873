//! Chunked writes: committed in chunks, visible atomically.
//!
//! A write that may be larger than memory is committed in chunks. Each chunk is committed with a head record that still
//! names the previous revision, and the revision of the write as unfinished. As long as it does, readers skip the rows that
//! the unfinished revision created and find those that it removed among the deleted rows. The last commit moves the head.
//!
//! An aborted write is rolled back chunk by chunk with the help of its change log: at once, or, after a crash, when the
//! store is opened again (see `rollback`).

use super::batch::{CHUNK_BYTES, CHUNK_CHANGES, WriteBatch};
use super::error::TransactionError;
use super::failure::WriteFailure;
use super::options::IsInterrupted;
use super::resources::{Reserve, Shortage};
use super::rollback::roll_back;
use crate::store::head::HeadRecord;
use crate::store::inner::StoreInner;
use crate::store::layout::meta_keys;
use crate::store::rocks::column_family::ColumnFamily;
use std::sync::Arc;

/// How many changes are made between two checks that the caller still waits.
const CHANGES_PER_CHECK: u32 = 1_000;

/// How a write was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum ChunkOutcome {
    /// In a single batch, which is still to be committed or rolled back.
    SingleBatch,
    /// In chunks. An aborted write has been rolled back.
    Chunked,
    /// In chunks, and aborted while the store closes: the chunks are rolled back when the store is opened again.
    Unfinished,
}

/// The chunks of a write that may be larger than memory.
pub(in crate::store) struct ChunkedWrite<'t> {
    inner: &'t StoreInner,
    /// The head before the write.
    before: HeadRecord,
    /// How many changes the current chunk has.
    changes: u32,
    /// Whether any chunk has been committed.
    committed: bool,
    /// Why a chunk could not be committed, or must not be.
    failed: Option<WriteFailure>,
}

impl<'t> ChunkedWrite<'t> {
    /// A write without a chunk. `before` is the newest head on disk; `refused` says why no chunk may be committed.
    pub(in crate::store) fn new(
        inner: &'t StoreInner,
        before: HeadRecord,
        refused: Option<WriteFailure>,
    ) -> Self {
        Self { inner, before, changes: 0, committed: false, failed: refused }
    }

    /// Counts a change, and commits the chunk when the change has filled it. Called between two changes, so that no chunk
    /// ends within one.
    pub(in crate::store) fn commit_when_full(
        &mut self,
        batch: &mut WriteBatch<'t>,
        interrupted: &IsInterrupted,
    ) -> Result<(), TransactionError> {
        self.changes += 1;
        if self.changes.is_multiple_of(CHANGES_PER_CHECK) {
            require_caller(interrupted)?;
        }
        if self.changes < CHUNK_CHANGES && batch.bytes() < CHUNK_BYTES {
            return Ok(());
        }

        self.require_resources()?;
        Ok(self.commit(batch)?)
    }

    /// A shortage here is not a failed commit: the chunks so far are rolled back, and the store accepts further writes.
    /// Half of the reserve is enough for any write in progress, because it may be a deletion, which frees space in the end.
    fn require_resources(&self) -> Result<(), Shortage> {
        self.inner.require_resources(Reserve::Half)
    }

    /// Commits the chunk without a sync. The log keeps the order of commits, so the synced commit of the last chunk makes
    /// all of them durable.
    pub(in crate::store) fn commit(
        &mut self,
        batch: &mut WriteBatch<'t>,
    ) -> Result<(), WriteFailure> {
        if let Some(failure) = &self.failed {
            return Err(failure.clone());
        }
        let done = self.commit_chunk(batch);
        self.failed = done.as_ref().err().cloned();
        done
    }

    fn commit_chunk(&mut self, batch: &mut WriteBatch<'t>) -> Result<(), WriteFailure> {
        let head = HeadRecord { unfinished: Some(batch.revision()), ..self.before };
        batch.set(ColumnFamily::Meta, meta_keys::HEAD, &head.bytes())?;

        // Names are published before the rows that use them: a reader that sees a row must know its names.
        self.inner.publish(batch.names());
        batch.commit_and_continue()?;
        self.committed = true;
        self.changes = 0;
        Ok(())
    }

    /// Completes a write, so that only the commit of its head is missing, or rolls it back.
    pub(in crate::store) fn finish(
        mut self,
        batch: &mut WriteBatch<'t>,
        keep: bool,
    ) -> Result<ChunkOutcome, WriteFailure> {
        if let Some(failure) = self.failed {
            // Whether the chunk that could not be committed is on disk shows only when the store is reopened.
            return Err(failure);
        }
        if !self.committed {
            return Ok(ChunkOutcome::SingleBatch);
        }

        if keep {
            self.commit(batch)?;
            batch.restart(self.inner.sync, batch.head, Arc::clone(batch.names()));
            return Ok(ChunkOutcome::Chunked);
        }
        // The transaction holds locks on rows that the rollback changes, so it is dropped first. Names of the last,
        // uncommitted chunk are not on disk: their numbers are free again.
        batch.restart(self.inner.sync, self.before, self.inner.names());
        let is_closing = || self.inner.is_closing();
        let is_done = roll_back(&self.inner.db, batch.revision(), self.before, &is_closing)?;
        Ok(if is_done { ChunkOutcome::Chunked } else { ChunkOutcome::Unfinished })
    }
}

/// Fails when the caller has stopped waiting.
fn require_caller(interrupted: &IsInterrupted) -> Result<(), TransactionError> {
    if interrupted() { Err(TransactionError::Interrupted) } else { Ok(()) }
}
