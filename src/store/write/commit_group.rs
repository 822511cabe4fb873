//! Group commit: several writes in one batch, acknowledged by one synced commit.

use super::batch::WriteBatch;
use super::chunked::{ChunkOutcome, ChunkedWrite};
use super::clock::WriteClock;
use super::failure::WriteFailure;
use super::job::{BatchFailure, JobKind, Reply, WriteJob};
use super::transaction::Transaction;
use crate::relationship::{Revision, Timestamp};
use crate::store::head::HeadRecord;
use crate::store::inner::StoreInner;
use crate::store::layout::meta_keys;
use crate::store::rocks::column_family::ColumnFamily;
use crate::store::time;
use crate::store::visibility::VisibleBatch;
use std::sync::Arc;
use std::time::Duration;

/// A batch accepts no further write once it holds this many changes.
const CHANGES_MAX: u32 = 10_000;
/// A batch accepts no further write once it has been open for so long, so that a fast write does not wait for slow ones
/// that came after it.
const TIME_MAX: Duration = Duration::from_millis(5);

/// The writes of one batch.
pub(in crate::store) struct CommitGroup<'s> {
    inner: &'s StoreInner,
    batch: WriteBatch<'s>,
    /// Whether the batch has anything to commit.
    kept: bool,
    /// How many changes the kept writes have made.
    changes: u32,
    /// Why the batch must not be committed.
    broken: Option<WriteFailure>,
    clock: WriteClock,
    began: Duration,
}

impl<'s> CommitGroup<'s> {
    /// A group without a write. `head` is the newest committed head; `kind` is that of its first job.
    pub(in crate::store) fn begin(
        inner: &'s StoreInner,
        head: HeadRecord,
        clock: &WriteClock,
        kind: JobKind,
    ) -> Self {
        let known = (inner.names(), inner.prepared());
        // Nothing else is in the group of a piece, so nothing is acknowledged by a commit that may still be lost.
        let sync = inner.sync && kind != JobKind::DeletionPiece;
        let batch = WriteBatch::new(&inner.db, sync, known, head);
        let (clock, began) = (clock.clone(), clock.elapsed());
        Self { inner, batch, kept: false, changes: 0, broken: None, clock, began }
    }

    /// Whether the writes in the group should not wait for more.
    pub(in crate::store) fn is_full(&self) -> bool {
        let waited = self.clock.elapsed().saturating_sub(self.began);
        self.changes >= CHANGES_MAX || waited >= TIME_MAX
    }

    /// Runs a job within the batch. A job that fails is rolled back and leaves the other writes of the batch as they are.
    /// `stopped` is the failure of an earlier commit, after which nothing may be committed.
    pub(in crate::store) fn run(
        mut self,
        job: WriteJob,
        stopped: Option<&BatchFailure>,
    ) -> (Self, Reply) {
        let (inner, kind, now) = (self.inner, job.kind, job.clock.now());
        let (head, name_count) = (self.batch.head, self.batch.names().len());
        let prepared = Arc::clone(&self.batch.prepared);
        let revision = self.revision_of(kind, now);
        self.batch.start_write(revision, job.writer.clone());
        let chunked = (kind == JobKind::Large)
            .then(|| ChunkedWrite::new(inner, head, stopped.map(BatchFailure::for_chunk)));

        self.batch.failure = stopped.map(BatchFailure::for_chunk);
        let (interrupted, clock) = (Arc::clone(&job.interrupted), job.clock.clone());
        let mut transaction = Transaction::new(self.batch, chunked, now, interrupted, clock);
        let executed = job.run(&mut transaction);
        let (mut batch, chunked) = transaction.into_parts();
        let outcome = match chunked {
            Some(chunked) => chunked.finish(&mut batch, executed.kept),
            None => Ok(ChunkOutcome::SingleBatch),
        };
        self.batch = batch;

        match outcome {
            Ok(_) if stopped.is_none() && self.batch.failure.is_some() => {
                self.broken = self.batch.failure.take();
            }
            Ok(_) if executed.kept => self.keep(kind),
            Ok(ChunkOutcome::SingleBatch) => {
                self.broken = self.batch.undo(head, name_count, &prepared).err();
            }
            // The chunks have been rolled back, or will be when the store is opened again.
            Ok(ChunkOutcome::Chunked | ChunkOutcome::Unfinished) => {}
            Err(failure) => self.broken = Some(failure),
        }
        (self, executed.reply)
    }

    fn revision_of(&self, kind: JobKind, now: Timestamp) -> Revision {
        let newest = self.batch.head.revision;
        match kind {
            JobKind::Write | JobKind::Large => {
                self.inner.visibility.number(newest, time::revision_of(now))
            }
            JobKind::Collection | JobKind::Piece | JobKind::DeletionPiece => newest,
        }
    }

    fn keep(&mut self, kind: JobKind) {
        if kind == JobKind::Piece {
            return;
        }
        if matches!(kind, JobKind::Write | JobKind::Large) {
            debug_assert!(self.batch.revision() > self.batch.head.revision, "revisions rise");
            self.batch.head.revision = self.batch.revision();
        }
        self.kept = true;
        self.changes = self.changes.saturating_add(self.batch.change_count());
    }

    /// Commits the batch and moves `head`, the newest committed head.
    pub(in crate::store) fn commit(mut self, head: &mut HeadRecord) -> Result<(), WriteFailure> {
        if let Some(failure) = self.broken.take() {
            return Err(failure);
        }
        let (inner, new, clock) = (self.inner, self.batch.head, self.clock);
        let makes_revisions = new.revision > head.revision;
        debug_assert!(new.revision >= head.revision, "the head never moves back");
        if !makes_revisions {
            // A refused write has taken a number. Left in progress, it would hide all that is written after it from reads as of
            // a time.
            inner.visibility.cancel();
        }
        if !self.kept {
            // A large write that was rolled back has taken places all the same.
            inner.publish_prepared(&self.batch.prepared);
            return Ok(());
        }

        // Names are published before the commit: a reader that sees a row must know its names.
        let (names_before, prepared_before) = (inner.names(), inner.prepared());
        inner.publish(self.batch.names());
        inner.publish_prepared(&self.batch.prepared);
        if let Err(failure) = write(self.batch, inner.visibility.newest()) {
            inner.publish(&names_before);
            inner.publish_prepared(&prepared_before);
            // The batch stays in progress: it may be on disk all the same, and no time may stand for a revision whose fate is
            // not known.
            return Err(failure);
        }

        *head = new;
        if makes_revisions {
            // Not before the commit: a record that is newer than the log tells the next start that the log was cut.
            if let Some(acknowledged) = &inner.acknowledged {
                acknowledged.advance(new.revision);
            }
            // The time is read after the commit and before the writes are acknowledged, so that a caller that has its
            // answer finds its write as of any later time.
            let visible_at = time::revision_of(clock.now());
            let batch = inner.visibility.finish(new.revision, visible_at);
            if let Some(batch) = batch.filter(|batch| batch.took_long()) {
                inner.note_visibility(batch);
            }
            // Last: a listener that is notified of a revision must find it visible.
            inner.notify(new.revision);
        }
        Ok(())
    }
}

/// Commits a batch with its head, and with the time at which the previous batch became visible.
fn write(mut batch: WriteBatch<'_>, previous: Option<VisibleBatch>) -> Result<(), WriteFailure> {
    let head = batch.head.bytes();
    batch.set(ColumnFamily::Meta, meta_keys::HEAD, &head)?;
    if let Some((key, value)) = previous.and_then(VisibleBatch::record) {
        batch.set(ColumnFamily::Meta, &key, &value)?;
    }
    batch.commit()
}
