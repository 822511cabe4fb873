//! Preparing a revision: its rows are added in pieces, with other writes in between; see `prepared`.

use super::clock::WriteClock;
use super::error::{TransactionError, WriteError};
use super::failure::WriteFailure;
use super::job::{JobKind, WriteJob, WriteOutcome};
use super::options::{IsInterrupted, WriteOptions};
use super::piece::{Piece, PieceOutcome};
use super::preparing::PreparingGuard;
use super::resources::{Reserve, Shortage};
use super::spill::SpillFile;
use super::spill_quota::SpillError;
use super::transaction::Transaction;
use crate::relationship::{Qualifiers, ReadError, Relationship, Revision};
use crate::store::handle::Store;
use crate::store::layout::corrupt_bytes::CorruptBytes;
use crate::store::layout::keys::{NameId, RowKey};
use crate::store::layout::meta_keys;
use crate::store::layout::values::{self, ChangeRecord};
use crate::store::prepared::{PreparedKind, PreparedState};
use crate::store::read::decode;
use crate::store::rocks::column_family::ColumnFamily;
use std::fmt;
use std::panic::resume_unwind;
use std::sync::mpsc::{self, Receiver, RecvError, Sender};
use std::sync::{Arc, Weak};

/// Why a revision was not prepared. Nothing of it will ever be visible.
#[derive(Debug, thiserror::Error)]
pub enum PrepareError {
    /// A relationship exists already, with these terms, or is there twice.
    #[error("the relationship {0} exists")]
    Exists(Box<Relationship>),
    /// The relationships that were collected cannot be read.
    #[error(transparent)]
    Spill(#[from] SpillError),
    /// They cannot be written, or the caller no longer waits.
    #[error(transparent)]
    Write(#[from] WriteError<TransactionError>),
}

/// Relationships that are written and not visible yet: [`Transaction::publish`] makes them so, all at once. When this is
/// dropped before, they are removed in the background.
pub struct PreparedWrite {
    pub(super) mark: Revision,
    pub(super) is_published: bool,
    pub(super) writer: Weak<Sender<WriteJob>>,
    pub(super) clock: WriteClock,
    /// Dropped after the removal has been asked for.
    pub(super) _turn: PreparingGuard,
}

impl Store {
    /// Writes the relationships of a spill file, so that they can be published together. Other writes continue meanwhile, and
    /// the writer is never busy with this for long at a time.
    ///
    /// One revision is prepared at a time; another caller waits.
    pub fn prepare(
        &self,
        clock: impl Into<WriteClock>,
        spill_file: &mut SpillFile,
        interrupted: &IsInterrupted,
    ) -> Result<PreparedWrite, PrepareError> {
        if self.is_read_only {
            return Err(WriteError::ReadOnly.into());
        }
        spill_file.finish()?;
        let turn = self.preparing.take(&**interrupted).map_err(SpillError::from)?;
        let clock = clock.into();
        let (mark, ids) = self.begin_creation(&clock, spill_file)?;
        let writer = self.writer.sender();
        let prepared = PreparedWrite { mark, is_published: false, writer, clock, _turn: turn };

        let names = spill_file.names().clone();
        let (mut piece, mut ordinal, mut last) = (Piece::new(mark), 0_u32, Vec::new());
        let mut sent = SentPiece::default();
        let duplicate = spill_file.rows(|row, qualifiers| {
            let key = row.by_resource();
            if key == last {
                let qualifiers = values::decode_qualifiers(qualifiers, &names)?;
                return Ok(Some(decode::relationship(&names, &row, qualifiers)?));
            }
            last = key;

            let (row, qualifiers) = (row.renamed(&ids)?, values::renamed(qualifiers, &ids)?);
            piece.add(self.db(), &row, &qualifiers, ordinal)?;
            ordinal = ordinal.checked_add(1).ok_or_else(too_many)?;
            if piece.is_full(self.options.piece_rows_max) {
                let full = std::mem::replace(&mut piece, Piece::new(mark));
                // The next piece is made while this one is written, and none waits behind more than one other.
                let next = self.send_piece(&prepared.clock, full, interrupted)?;
                std::mem::replace(&mut sent, next).wait()?;
            }
            Ok::<_, PrepareError>(None)
        })?;
        sent.wait()?;
        if let Some(duplicate) = duplicate {
            return Err(PrepareError::Exists(Box::new(duplicate)));
        }
        if !piece.is_empty() {
            self.send_piece(&prepared.clock, piece, interrupted)?.wait()?;
        }
        Ok(prepared)
    }

    /// A new mark, and the numbers that the names of a spill file have in the store.
    fn begin_creation(
        &self,
        clock: &WriteClock,
        spill_file: &SpillFile,
    ) -> Result<(Revision, Vec<NameId>), WriteError<TransactionError>> {
        self.inner.require_resources(Reserve::Full).map_err(WriteError::NoRoom)?;
        let names = spill_file.names().clone();
        let begin = move |transaction: &mut Transaction<'_>| {
            let batch = &mut transaction.batch;
            let ids: Result<Vec<_>, _> = names.texts().map(|name| batch.name(name)).collect();
            let mark = Arc::make_mut(&mut batch.prepared).begin(PreparedKind::Creation);
            transaction.note_prepared(mark)?;
            Ok::<_, TransactionError>((mark, ids?))
        };
        let options = WriteOptions::new(clock);
        self.writer.run(JobKind::Collection, options, begin).map(|(_, begun)| begun)
    }

    fn send_piece(
        &self,
        clock: &WriteClock,
        piece: Piece,
        interrupted: &IsInterrupted,
    ) -> Result<SentPiece, PrepareError> {
        let no_room = |shortage: Shortage| WriteError::NoRoom(shortage);
        self.inner.require_resources(Reserve::Full).map_err(no_room)?;
        let options = WriteOptions::new(clock).interrupted_by(Arc::clone(interrupted));
        let work = move |transaction: &mut Transaction<'_>| piece.write(transaction);
        let (reply, answer) = mpsc::sync_channel(1);
        self.writer.submit(WriteJob::new(JobKind::Piece, options, work, move |outcome| {
            // No one waits for it any more when an earlier piece has failed.
            let _gone = reply.send(outcome);
        }));
        Ok(SentPiece(Some(answer)))
    }
}

/// A piece that the writer has not answered yet, if there is one.
#[derive(Default)]
struct SentPiece(Option<Receiver<WriteOutcome<PieceOutcome, TransactionError>>>);

impl SentPiece {
    /// Waits until it is written. A panic of the work is resumed here.
    fn wait(self) -> Result<(), PrepareError> {
        let Some(answer) = self.0 else { return Ok(()) };
        let written = match answer.recv() {
            Ok(Ok(written)) => written,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(RecvError) => Err(WriteError::Closed),
        };
        match written?.1 {
            PieceOutcome::Written => Ok(()),
            PieceOutcome::Exists(existing) => Err(PrepareError::Exists(existing)),
        }
    }
}

impl Transaction<'_> {
    /// Makes prepared relationships visible with this write, as its last changes. Returns one that another write has created
    /// since it was prepared; then they must not become visible, and this write has to be refused.
    pub fn publish(
        &mut self,
        prepared: &mut PreparedWrite,
    ) -> Result<Option<Relationship>, TransactionError> {
        let mark = prepared.mark;
        if let Some(taken) = self.taken(mark)? {
            return Ok(Some(taken));
        }
        if !matches!(self.batch.prepared.state(mark), Some(PreparedState::Pending { .. })) {
            // It was prepared before the store was opened again.
            return Err(TransactionError::Interrupted);
        }

        let revision = self.batch.revision();
        Arc::make_mut(&mut self.batch.prepared).publish(mark, revision);
        self.batch.head.prepared.newest = revision;
        self.note_prepared(mark)?;
        self.batch.log(&ChangeRecord::Prepared(mark))?;
        prepared.is_published = true;
        Ok(None)
    }

    /// The relationship by which another write has taken the place of a pending row.
    pub(super) fn taken(&self, mark: Revision) -> Result<Option<Relationship>, ReadError> {
        match self.batch.prepared.state(mark) {
            Some(PreparedState::Pending { taken: Some(key), .. }) => {
                self.relationship(key).map(Some)
            }
            Some(_) | None => Ok(None),
        }
    }

    /// The relationship with a key in `live`: as it exists, or else without caveat and expiration.
    pub(super) fn relationship(&self, key: &[u8]) -> Result<Relationship, ReadError> {
        let (row, names) = (RowKey::from_by_resource(key)?, self.batch.names());
        let qualifiers = match self.batch.live_row(key)? {
            Some(value) => values::decode_qualifiers(values::split_row(&value)?.1, names)?,
            None => Qualifiers::default(),
        };
        Ok(decode::relationship(names, &row, qualifiers)?)
    }

    /// Removes the record of a published revision that every readable revision shows.
    pub(super) fn forget_prepared(&mut self, mark: Revision) -> Result<(), TransactionError> {
        Arc::make_mut(&mut self.batch.prepared).forget(mark);
        self.note_prepared(mark)
    }

    /// Takes the state of a prepared revision into the batch.
    pub(super) fn note_prepared(&mut self, mark: Revision) -> Result<(), TransactionError> {
        let batch = &mut self.batch;
        batch.head.prepared = batch.prepared.summary(batch.head.prepared.newest);
        let (key, value) =
            (meta_keys::prepared(mark), batch.prepared.state(mark).map(PreparedState::bytes));
        match value {
            Some(value) => batch.set(ColumnFamily::Meta, &key, &value)?,
            None => batch.clear(ColumnFamily::Meta, &key)?,
        }
        Ok(())
    }
}

impl Drop for PreparedWrite {
    fn drop(&mut self) {
        // Without a writer, the rows are removed when the store is opened again. A commit that failed has stopped the writer.
        let Some(writer) = self.writer.upgrade().filter(|_| !self.is_published) else { return };
        let mark = self.mark;
        let abandon = move |transaction: &mut Transaction<'_>| {
            Arc::make_mut(&mut transaction.batch.prepared).abandon(mark);
            Ok::<_, TransactionError>(())
        };
        let options = WriteOptions::new(&self.clock);
        let _closed = writer.send(WriteJob::new(JobKind::Collection, options, abandon, |_| {}));
    }
}

impl fmt::Debug for PreparedWrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PreparedWrite").field("mark", &self.mark).finish_non_exhaustive()
    }
}

fn too_many() -> PrepareError {
    WriteError::Refused(WriteFailure::io("an import has too many relationships").into()).into()
}

impl From<ReadError> for PrepareError {
    fn from(error: ReadError) -> Self {
        Self::Spill(error.into())
    }
}

impl From<WriteFailure> for PrepareError {
    fn from(error: WriteFailure) -> Self {
        Self::Spill(error.into())
    }
}

impl From<CorruptBytes> for PrepareError {
    fn from(error: CorruptBytes) -> Self {
        Self::Spill(error.into())
    }
}

impl From<TransactionError> for PrepareError {
    fn from(error: TransactionError) -> Self {
        Self::Write(WriteError::Refused(error))
    }
}
