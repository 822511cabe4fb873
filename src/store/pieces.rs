//! Writes that are larger than memory: made piece by piece, seen whole or not at all.
//!
//! Every piece is committed with a head that still names the revision before, and the one in the making as unfinished.
//! While it does, whoever reads leaves out what that revision added and finds what it removed among the dead. The last
//! commit moves the head. A write that is refused on the way, or that a crash ends, is taken back with the help of what it
//! logged, piece by piece as well: at once, or when the store is opened again.

use super::direct::Direct;
use super::keys::{self, NameId, RowKey};
use super::rocks::{self, Db, Family, Reach, Source};
use super::room::Reserve;
use super::staged::Staged;
use super::transaction::Transaction;
use super::values::{self, Head, Logged};
use super::writer::Shared;
use crate::relationship::{ReadError, Relationship, Revision};
use rocksdb::{SnapshotWithThreadMode, TransactionOptions, WriteOptions};
use std::cell::Cell;

/// A piece is committed when it has so many bytes, or so many changes.
const PIECE_BYTES: usize = 4 << 20;
const PIECE_CHANGES: u32 = 10_000;

/// So many changes are made between two looks whether the caller still waits.
const CHANGES_PER_LOOK: u32 = 1_000;

/// How a write was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// In one batch, which is still to be committed or rolled back.
    AtOnce,
    /// In pieces. One that was not to be kept has been taken back.
    InPieces,
    /// In pieces, and not to be kept; but the store is closing, so that they are taken back when it is opened again.
    Unfinished,
}

/// The commits of a write that may be larger than memory.
pub(super) struct Pieces<'t> {
    shared: &'t Shared,
    /// The head before the write.
    before: Head,
    /// What the piece in the making holds.
    bytes: Cell<usize>,
    changes: u32,
    /// Whether any piece has been committed.
    committed: bool,
    /// Why one could not be, or none may be.
    failed: Option<String>,
}

impl<'t> Pieces<'t> {
    /// None so far. `before` is the newest head on disk; `refused` says why no piece may be committed.
    pub(super) fn new(shared: &'t Shared, before: Head, refused: Option<String>) -> Self {
        let bytes = Cell::new(0);
        Self { shared, before, bytes, changes: 0, committed: false, failed: refused }
    }

    /// Something has been written.
    pub(super) fn count(&self, bytes: usize) {
        self.bytes.set(self.bytes.get() + bytes);
    }

    /// A change has been made; it may have been the last one of its piece.
    pub(super) fn commit_when_large(
        &mut self,
        transaction: &mut Transaction<'t>,
    ) -> Result<(), ReadError> {
        self.changes += 1;
        if self.changes.is_multiple_of(CHANGES_PER_LOOK) {
            transaction.require_wanted()?;
        }
        if self.changes < PIECE_CHANGES && self.bytes.get() < PIECE_BYTES {
            return Ok(());
        }
        self.require_room()?;
        self.commit(transaction)
    }

    /// A refusal here is no failed commit: the pieces so far are rolled back, and writes continue. Deletions make room in the
    /// end, so that they must not be held to more than half of the reserve in the middle.
    fn require_room(&self) -> Result<(), ReadError> {
        self.shared.require_room(Reserve::Half).map_err(ReadError::exhausted)
    }

    /// Commits what there is so far. It need not be on disk before the last piece is: the log keeps their order.
    pub(super) fn commit(&mut self, transaction: &mut Transaction<'t>) -> Result<(), ReadError> {
        if let Some(reason) = &self.failed {
            return Err(ReadError::new(reason));
        }
        let done = self.commit_piece(transaction);
        self.failed = done.as_ref().err().map(|error| error.reason.clone());
        done
    }

    /// Adds relationships until one is met whose key is taken; gives that one back.
    pub(super) fn create(
        &mut self,
        transaction: &mut Transaction<'t>,
        staged: &mut Staged,
        ids: &[NameId],
    ) -> Result<Option<Relationship>, ReadError> {
        self.commit(transaction)?;
        let mut direct = Direct::new(&self.shared.db, transaction.revision);
        let created = staged.rows(|row, terms| {
            if transaction.logged.is_multiple_of(CHANGES_PER_LOOK) {
                transaction.require_wanted()?;
                self.require_room()?;
            }
            let (row, terms) = (row.renamed(ids)?, values::renamed(terms, ids)?);
            let key = row.by_resource();
            if direct.has(&key)? {
                return transaction.relationship(&row, &terms).map(Some);
            }
            direct.add(&row, key, &terms, transaction.logged)?;
            transaction.logged = transaction.logged.saturating_add(1);
            Ok(None)
        });
        let created = match created {
            Ok(None) => direct.flush().map(|()| None),
            found => found,
        };
        self.failed = direct.failed;
        created
    }

    /// Brings a write to its end, to which only the head is missing then, or takes it back.
    pub(super) fn finish(
        mut self,
        transaction: &mut Transaction<'t>,
        keep: bool,
    ) -> Result<Made, ReadError> {
        if let Some(reason) = self.failed {
            // What became of a piece that could not be committed shows only when the store is opened again.
            return Err(ReadError::new(reason));
        }
        if !self.committed {
            return Ok(Made::AtOnce);
        }
        if keep {
            self.commit(transaction)?;
        }
        // The old batch goes, and with it the locks on what is taken back.
        transaction.batch = begin(&self.shared.db, self.shared.sync);
        if keep {
            return Ok(Made::InPieces);
        }
        let give_up = || self.shared.is_closing();
        let is_done = take_back(&self.shared.db, transaction.revision, self.before, &give_up)?;
        Ok(if is_done { Made::InPieces } else { Made::Unfinished })
    }

    fn commit_piece(&mut self, transaction: &mut Transaction<'t>) -> Result<(), ReadError> {
        let head = Head { unfinished: Some(transaction.revision), ..self.before };
        let db = &self.shared.db;
        transaction.set(Family::Meta, keys::HEAD, &head.bytes())?;
        // Whoever sees the rows has to know their names.
        self.shared.publish(&transaction.names);
        let next = begin(db, false);
        let piece = std::mem::replace(&mut transaction.batch, next);
        piece.commit().map_err(rocks::failed)?;
        self.committed = true;
        self.changes = 0;
        self.bytes.set(0);
        Ok(())
    }
}

/// An empty batch; `sync` says whether its commit waits for the disk.
pub(super) fn begin(db: &Db, sync: bool) -> rocksdb::Transaction<'_, Db> {
    let mut options = WriteOptions::default();
    options.set_sync(sync);
    db.transaction_opt(&options, &TransactionOptions::default())
}

/// Takes back what there is of a revision, so that only `before` is left. Does no harm when it is done twice, or goes on
/// where it was broken off. Breaks off when `give_up` says so, which is called between pieces; then the answer is `false`.
pub(super) fn take_back(
    db: &Db,
    revision: Revision,
    before: Head,
    give_up: &dyn Fn() -> bool,
) -> Result<bool, ReadError> {
    if give_up() {
        return Ok(false);
    }
    let snapshot = SnapshotWithThreadMode::new(db);
    let source = Source::snapshot(db, &snapshot, Reach::Disk);
    let mut changes = source.cursor(Family::Changes, &revision.0.to_be_bytes())?;
    changes.seek(&keys::change(revision, 0));
    let mut undoing = Undoing { db, batch: begin(db, false), revision };
    let (mut count, mut bytes) = (0, 0);
    while let Some((key, value)) = changes.item()? {
        undoing.take_back(key, value)?;
        (count, bytes) = (count + 1, bytes + value.len());
        if count == PIECE_CHANGES || bytes >= PIECE_BYTES {
            let piece = std::mem::replace(&mut undoing.batch, begin(db, false));
            piece.commit().map_err(rocks::failed)?;
            (count, bytes) = (0, 0);
            if give_up() {
                return Ok(false);
            }
        }
        changes.advance();
    }
    undoing.batch.commit().map_err(rocks::failed)?;
    let last = begin(db, true);
    let head = Head { unfinished: None, ..before };
    last.put_cf(Family::Meta.of(db)?, keys::HEAD, head.bytes()).map_err(rocks::failed)?;
    last.commit().map_err(rocks::failed)?;
    Ok(true)
}

/// Taking back a revision.
struct Undoing<'u> {
    db: &'u Db,
    batch: rocksdb::Transaction<'u, Db>,
    revision: Revision,
}

impl Undoing<'_> {
    /// Takes back one change. What is left of a row that was changed more than once comes right with the first of them.
    fn take_back(&self, change: &[u8], value: &[u8]) -> Result<(), ReadError> {
        match Logged::from_bytes(value)? {
            Logged::Touched { row, .. } | Logged::Deleted(row) => self.restore(&row)?,
            Logged::SchemaWritten => self.clear(Family::Schema, &keys::schema(self.revision))?,
            Logged::Metadata(_) => {}
        }
        self.clear(Family::Changes, change)
    }

    /// Gives a key the row back that it had before, or none.
    fn restore(&self, row: &RowKey<'_>) -> Result<(), ReadError> {
        let (key, by_subject) = (row.by_resource(), row.by_subject());
        let source = Source::transaction(self.db, &self.batch);
        let dead_key = keys::dead(&key, self.revision);
        let old = source.get(Family::Dead, &dead_key)?;
        if let Some(value) = source.get(Family::Live, &key)? {
            let (created, terms) = values::split_row(&value)?;
            if created != self.revision {
                return Ok(());
            }
            if let Some(at) = values::expiration(terms)? {
                self.clear(Family::Expiring, &keys::expiring(at, &key))?;
            }
            self.clear(Family::Live, &key)?;
            self.clear(Family::LiveBySubject, &by_subject)?;
        }
        let Some(old) = old else { return Ok(()) };
        self.clear(Family::Dead, &dead_key)?;
        self.clear(Family::DeadBySubject, &keys::dead(&by_subject, self.revision))?;
        self.set(Family::Live, &key, &old)?;
        self.set(Family::LiveBySubject, &by_subject, &old)?;
        match values::expiration(values::split_row(&old)?.1)? {
            Some(at) => self.set(Family::Expiring, &keys::expiring(at, &key), &[]),
            None => Ok(()),
        }
    }

    fn set(&self, family: Family, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        self.batch.put_cf(family.of(self.db)?, key, value).map_err(rocks::failed)
    }

    fn clear(&self, family: Family, key: &[u8]) -> Result<(), ReadError> {
        self.batch.delete_cf(family.of(self.db)?, key).map_err(rocks::failed)
    }
}
