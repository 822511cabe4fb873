//! Rows at one revision: those that live, merged with those that lived then.

use super::keys::{self, Corrupt, PARTS};
use super::rocks::{Cursor, Family, Source};
use super::values;
use crate::relationship::{ReadError, Revision};

/// One of the two orders in which rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Index {
    ByResource,
    BySubject,
}

impl Index {
    pub(super) fn live(self) -> Family {
        match self {
            Self::ByResource => Family::Live,
            Self::BySubject => Family::LiveBySubject,
        }
    }

    pub(super) fn dead(self) -> Family {
        match self {
            Self::ByResource => Family::Dead,
            Self::BySubject => Family::DeadBySubject,
        }
    }

    /// The start of a key up to its resource id, which comes before the id in one index and closes the key in the other:
    /// the keys that share it are in the order of resource ids.
    pub(super) fn lane(self, key: &[u8]) -> Result<&[u8], Corrupt> {
        let parts = self.cut(key)?;
        let names = match self {
            Self::ByResource => parts.get(..2),
            Self::BySubject => parts.get(..5),
        };
        let length = names.unwrap_or_default().iter().map(|part| part.len()).sum();
        key.get(..length).ok_or(Corrupt("a key is cut short"))
    }

    /// The start of a key up to the end of its resource id.
    pub(super) fn group(self, key: &[u8]) -> Result<&[u8], Corrupt> {
        let length = self.lane(key)?.len() + self.resource_id(key)?.len();
        key.get(..length).ok_or(Corrupt("a key is cut short"))
    }

    /// The resource id in a key, with its closing byte.
    pub(super) fn resource_id(self, key: &[u8]) -> Result<&[u8], Corrupt> {
        let [_, _, third, _, _, last] = self.cut(key)?;
        Ok(match self {
            Self::ByResource => third,
            Self::BySubject => last,
        })
    }

    /// The parts of a key, in the order in which it has them.
    pub(super) fn cut(self, key: &[u8]) -> Result<[&[u8]; PARTS], Corrupt> {
        keys::cut(
            key,
            match self {
                Self::ByResource => keys::BY_RESOURCE,
                Self::BySubject => keys::BY_SUBJECT,
            },
        )
    }
}

/// Which moment of the history a read means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Moment {
    /// The newest one of the source: never looks at dead rows.
    Newest,
    /// An older revision.
    At(Revision),
}

/// A row that a cursor stands at.
#[derive(Clone, Copy)]
pub(super) struct Row<'r> {
    pub(super) key: &'r [u8],
    pub(super) value: &'r [u8],
    /// Whether the row was there at the moment that is read.
    pub(super) is_there: bool,
}

/// The rows whose keys start alike, in key order: those of a moment, and between them rows of other moments, so that
/// the caller decides how many of these to pass before it looks at something else.
pub(super) struct Rows<'a> {
    prefix: Vec<u8>,
    live: Cursor<'a>,
    past: Option<Past<'a>>,
    here: Here,
}

/// What an older revision needs: its dead rows.
struct Past<'a> {
    revision: Revision,
    dead: Cursor<'a>,
}

/// Which cursor stands at the current row.
#[derive(Clone, Copy)]
enum Here {
    Live,
    Dead,
}

impl<'a> Rows<'a> {
    /// The rows whose keys start with `prefix`. Stands nowhere until the first seek.
    pub(super) fn new(
        source: Source<'a>,
        index: Index,
        moment: Moment,
        prefix: Vec<u8>,
    ) -> Result<Self, ReadError> {
        let live = source.cursor(index.live(), &prefix)?;
        let past = match moment {
            Moment::Newest => None,
            Moment::At(revision) => {
                Some(Past { revision, dead: source.cursor(index.dead(), &prefix)? })
            }
        };
        Ok(Self { prefix, live, past, here: Here::Live })
    }

    /// Goes to the first row that is not below `key`.
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<(), ReadError> {
        self.live.seek(key);
        if let Some(past) = &mut self.past {
            past.dead.seek(key);
        }
        self.choose()
    }

    /// Goes to the next row.
    pub(super) fn advance(&mut self) -> Result<(), ReadError> {
        match (self.here, &mut self.past) {
            (Here::Dead, Some(past)) => past.dead.advance(),
            (Here::Dead, None) | (Here::Live, _) => self.live.advance(),
        }
        self.choose()
    }

    /// The current row; `None` behind the last one.
    pub(super) fn current(&self) -> Result<Option<Row<'_>>, ReadError> {
        let row = match (self.here, &self.past) {
            (Here::Dead, Some(past)) => match past.dead.item()? {
                Some((dead_key, value)) => {
                    let is_there = was_there(dead_key, value, past.revision)?;
                    Some(Row { key: keys::split_dead(dead_key)?.0, value, is_there })
                }
                None => None,
            },
            (Here::Dead, None) | (Here::Live, _) => match (self.live.item()?, &self.past) {
                (Some((key, value)), Some(past)) => {
                    let is_there = values::split_row(value)?.0 <= past.revision;
                    Some(Row { key, value, is_there })
                }
                (Some((key, value)), None) => Some(Row { key, value, is_there: true }),
                (None, _) => None,
            },
        };
        Ok(row.filter(|row| row.key.starts_with(&self.prefix)))
    }

    /// Finds out which cursor is first.
    fn choose(&mut self) -> Result<(), ReadError> {
        let Some(past) = &self.past else { return Ok(()) };
        self.here = match (self.live.item()?, past.dead.item()?) {
            (Some((live, _)), Some((dead, _))) if keys::split_dead(dead)?.0 < live => Here::Dead,
            (None, Some(_)) => Here::Dead,
            (Some(_), _) | (None, None) => Here::Live,
        };
        Ok(())
    }
}

/// Whether a dead row was there at a revision.
fn was_there(dead_key: &[u8], value: &[u8], revision: Revision) -> Result<bool, Corrupt> {
    let (_, removed) = keys::split_dead(dead_key)?;
    let (created, _) = values::split_row(value)?;
    Ok(created <= revision && revision < removed)
}

/// The terms, in bytes, of the row with this key at a moment.
pub(super) fn find(
    source: Source<'_>,
    moment: Moment,
    key: &[u8],
) -> Result<Option<Vec<u8>>, ReadError> {
    if let Some(value) = source.get(Family::Live, key)? {
        let (created, terms) = values::split_row(&value)?;
        if matches!(moment, Moment::Newest) || matches!(moment, Moment::At(at) if created <= at) {
            return Ok(Some(terms.to_vec()));
        }
    }
    match moment {
        Moment::Newest => Ok(None),
        Moment::At(revision) => find_dead(source, revision, key),
    }
}

/// Of the dead rows of a key, the first one that was removed after the revision is the only one that can have been
/// there then.
fn find_dead(
    source: Source<'_>,
    revision: Revision,
    key: &[u8],
) -> Result<Option<Vec<u8>>, ReadError> {
    let mut dead = source.cursor(Family::Dead, key)?;
    dead.seek(&keys::dead(key, Revision(revision.0.saturating_add(1))));
    match dead.item()? {
        Some((found, value)) if found.starts_with(key) && was_there(found, value, revision)? => {
            Ok(Some(values::split_row(value)?.1.to_vec()))
        }
        Some(_) | None => Ok(None),
    }
}
