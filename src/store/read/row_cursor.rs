//! Rows at one revision: live rows, merged with deleted rows that existed then.

use super::row_index::RowIndex;
use crate::relationship::{ReadError, Revision};
use crate::store::layout::corrupt_bytes::CorruptBytes;
use crate::store::layout::keys;
use crate::store::layout::values;
use crate::store::prepared::{FIRST_DELETION, PreparedRevisions};
use crate::store::rocks::column_family::ColumnFamily;
use crate::store::rocks::source::{KeyCursor, ReadSource};

/// The revision that a read shows.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum ReadAt<'a> {
    /// The newest revision of the source: deleted rows are never read, and every live row exists.
    Newest,
    /// The same beside rows of prepared revisions that do not exist yet.
    NewestBeside(&'a PreparedRevisions),
    /// An older revision, or the newest while some of its rows lie among the deleted ones.
    At(PastRevision<'a>),
}

/// A revision, with what decides whether a row existed then.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) struct PastRevision<'a> {
    pub(in crate::store) revision: Revision,
    pub(in crate::store) prepared: &'a PreparedRevisions,
}

impl PastRevision<'_> {
    fn shows(self, created: Revision) -> bool {
        self.prepared.is_done(created, self.revision)
    }
}

impl ReadAt<'_> {
    /// Whether a live row that was created at a revision, or under a mark, existed.
    fn shows(self, created: Revision) -> bool {
        match self {
            Self::Newest => true,
            Self::NewestBeside(prepared) => !prepared.hides(created),
            Self::At(at) => at.shows(created),
        }
    }
}

/// A row that a cursor stands at.
#[derive(Clone, Copy)]
pub(in crate::store) struct VersionedRow<'r> {
    pub(in crate::store) key: &'r [u8],
    pub(in crate::store) value: &'r [u8],
    /// Whether the row existed at the revision that is read.
    pub(in crate::store) existed: bool,
}

/// The rows with a common key prefix, in key order: those of a revision, and between them rows of other revisions, so that
/// the caller decides how many of these to step over before it stops or seeks.
pub(in crate::store) struct RowCursor<'a> {
    prefix: Vec<u8>,
    read_at: ReadAt<'a>,
    live: KeyCursor<'a>,
    past: Option<DeletedRows<'a>>,
    active: ActiveCursor,
}

/// What an older revision needs: its dead rows.
struct DeletedRows<'a> {
    at: PastRevision<'a>,
    deleted: KeyCursor<'a>,
}

/// Which cursor stands at the current row.
#[derive(Clone, Copy)]
enum ActiveCursor {
    Live,
    Deleted,
}

impl<'a> RowCursor<'a> {
    /// The rows whose keys start with `prefix`. Stands nowhere until the first seek.
    pub(in crate::store) fn new(
        source: ReadSource<'a>,
        index: RowIndex,
        read_at: ReadAt<'a>,
        prefix: Vec<u8>,
    ) -> Result<Self, ReadError> {
        let live = source.cursor(index.live(), &prefix)?;
        let past = match read_at {
            ReadAt::Newest | ReadAt::NewestBeside(_) => None,
            ReadAt::At(at) => {
                Some(DeletedRows { at, deleted: source.cursor(index.deleted(), &prefix)? })
            }
        };
        Ok(Self { prefix, read_at, live, past, active: ActiveCursor::Live })
    }

    /// Goes to the first row that is not below `key`.
    pub(in crate::store) fn seek(&mut self, key: &[u8]) -> Result<(), ReadError> {
        self.live.seek(key);
        if let Some(past) = &mut self.past {
            past.deleted.seek(key);
        }
        self.choose()
    }

    /// Goes to the next row.
    pub(in crate::store) fn advance(&mut self) -> Result<(), ReadError> {
        match (self.active, &mut self.past) {
            (ActiveCursor::Deleted, Some(past)) => past.deleted.advance(),
            (ActiveCursor::Deleted, None) | (ActiveCursor::Live, _) => self.live.advance(),
        }
        self.choose()
    }

    /// The current row; `None` after the last one.
    pub(in crate::store) fn current(&self) -> Result<Option<VersionedRow<'_>>, ReadError> {
        let row = match (self.active, &self.past) {
            (ActiveCursor::Deleted, Some(past)) => match past.deleted.item()? {
                Some((deleted_key, value)) => {
                    let existed = existed_at(deleted_key, value, past.at)?;
                    Some(VersionedRow { key: keys::split_deleted(deleted_key)?.0, value, existed })
                }
                None => None,
            },
            (ActiveCursor::Deleted, None) | (ActiveCursor::Live, _) => {
                match (self.live.item()?, self.read_at) {
                    (Some((key, value)), ReadAt::Newest) => {
                        Some(VersionedRow { key, value, existed: true })
                    }
                    (Some((key, value)), read_at) => {
                        let existed = read_at.shows(values::split_row(value)?.0);
                        Some(VersionedRow { key, value, existed })
                    }
                    (None, _) => None,
                }
            }
        };

        Ok(row.filter(|row| row.key.starts_with(&self.prefix)))
    }

    /// Determines which cursor is first.
    fn choose(&mut self) -> Result<(), ReadError> {
        let Some(past) = &self.past else { return Ok(()) };
        self.active = match (self.live.item()?, past.deleted.item()?) {
            (Some((live, _)), Some((deleted, _))) if keys::split_deleted(deleted)?.0 < live => {
                ActiveCursor::Deleted
            }
            (None, Some(_)) => ActiveCursor::Deleted,
            (Some(_), _) | (None, None) => ActiveCursor::Live,
        };
        Ok(())
    }
}

/// Whether a dead row was there at a revision.
fn existed_at(
    deleted_key: &[u8],
    value: &[u8],
    at: PastRevision<'_>,
) -> Result<bool, CorruptBytes> {
    let (_, removed) = keys::split_deleted(deleted_key)?;
    let (created, _) = values::split_row(value)?;
    Ok(at.shows(created) && !at.prepared.is_done(removed, at.revision))
}

/// The qualifiers, in bytes, of the row with this key at a revision.
pub(in crate::store) fn find(
    source: ReadSource<'_>,
    read_at: ReadAt<'_>,
    key: &[u8],
) -> Result<Option<Vec<u8>>, ReadError> {
    if let Some(value) = source.get(ColumnFamily::Live, key)? {
        let (created, qualifiers) = values::split_row(&value)?;
        if read_at.shows(created) {
            return Ok(Some(qualifiers.to_vec()));
        }
    }
    match read_at {
        ReadAt::Newest | ReadAt::NewestBeside(_) => Ok(None),
        ReadAt::At(at) => find_deleted(source, at, key),
    }
}

/// Of the dead rows of a key, the first one that was removed after the revision is the only one that can have been
/// there then, apart from those that a prepared deletion removed: their marks come last, whenever that was.
fn find_deleted(
    source: ReadSource<'_>,
    at: PastRevision<'_>,
    key: &[u8],
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut deleted = source.cursor(ColumnFamily::Deleted, key)?;
    deleted.seek(&keys::deleted(key, Revision(at.revision.0.saturating_add(1))));
    if let Some((found, value)) = deleted.item()?
        && found.starts_with(key)
        && existed_at(found, value, at)?
    {
        return Ok(Some(values::split_row(value)?.1.to_vec()));
    }
    if !at.prepared.has_deletions() {
        return Ok(None);
    }

    deleted.seek(&keys::deleted(key, FIRST_DELETION));
    while let Some((found, value)) = deleted.item()?
        && found.starts_with(key)
    {
        if existed_at(found, value, at)? {
            return Ok(Some(values::split_row(value)?.1.to_vec()));
        }
        deleted.advance();
    }
    Ok(None)
}
