//! The change log: the changes of each revision, for watchers.

use super::decode;
use crate::relationship::{
    Context, Qualifiers, ReadError, Relationship, RelationshipUpdate, Revision, Timestamp,
    UpdateOperation,
};
use crate::store::layout::corrupt_bytes::CorruptBytes;
use crate::store::layout::log_keys;
use crate::store::layout::names::NameCatalog;
use crate::store::layout::values::{self, ChangeRecord};
use crate::store::rocks::column_family::ColumnFamily;
use crate::store::rocks::source::ReadSource;
use crate::store::time;
use std::sync::Arc;

/// Once so many bytes have been read, the rest has to be asked for.
const BYTES_MAX: usize = 512 << 10;

/// A position in the change log: after one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ChangePosition {
    /// The revision of the change.
    pub revision: Revision,
    /// The change's number within the revision.
    ordinal: u32,
}

impl ChangePosition {
    /// Before everything that a revision changed.
    pub fn before(revision: Revision) -> Self {
        Self { revision: Revision(revision.0.saturating_sub(1)), ordinal: u32::MAX }
    }

    /// After everything that a revision changed.
    pub fn after(revision: Revision) -> Self {
        Self { revision, ordinal: u32::MAX }
    }

    /// After everything that was changed at or before a time.
    pub fn at(time: Timestamp) -> Self {
        Self::after(time::revision_of(time))
    }

    /// Whether the revision may have changed more than what lies before.
    pub fn is_within(self) -> bool {
        self.ordinal < u32::MAX
    }

    /// The position in bytes.
    pub fn to_bytes(self) -> Vec<u8> {
        log_keys::change(self.revision, self.ordinal)
    }

    /// Reads a position from the start of `bytes`, and returns the rest; `None` for bytes that are not a position.
    pub fn take(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (position, rest) = bytes.split_first_chunk::<12>()?;
        let (revision, ordinal) = log_keys::split_change(position).ok()?;
        Some((Self { revision, ordinal }, rest))
    }
}

/// A change of a revision.
#[derive(Clone, Debug, PartialEq)]
pub enum ChangeLogEntry {
    /// A relationship was added, changed or removed: a touch, or a delete of a bare key.
    Relationship(RelationshipUpdate),
    /// A schema was written.
    Schema,
    /// The metadata of the transaction.
    Metadata(Context),
    /// The name of who made the write.
    Writer(Arc<str>),
}

/// The changes after `after` up to `last`, at most `count_max`, and fewer where they are large.
pub(in crate::store) fn read(
    source: ReadSource<'_>,
    names: &NameCatalog,
    after: ChangePosition,
    last: Revision,
    count_max: usize,
) -> Result<Vec<(ChangePosition, ChangeLogEntry)>, ReadError> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut cursor = source.cursor(ColumnFamily::Changes, &[])?;
    cursor.seek(&start(after));
    while found.len() < count_max
        && bytes < BYTES_MAX
        && let Some((key, value)) = cursor.item()?
    {
        let (revision, ordinal) = log_keys::split_change(key)?;
        if revision > last {
            break;
        }
        bytes += key.len() + value.len();
        found.push((ChangePosition { revision, ordinal }, change(names, value)?));
        cursor.advance();
    }
    Ok(found)
}

/// The changes before `before` and after `first`, newest first, at most `count_max`, and fewer where they are large.
pub(in crate::store) fn read_back(
    source: ReadSource<'_>,
    names: &NameCatalog,
    before: ChangePosition,
    first: Revision,
    count_max: usize,
) -> Result<Vec<(ChangePosition, ChangeLogEntry)>, ReadError> {
    let (mut found, mut bytes) = (Vec::new(), 0);
    let mut cursor = source.cursor(ColumnFamily::Changes, &[])?;
    cursor.seek_back(&end(before));
    while found.len() < count_max
        && bytes < BYTES_MAX
        && let Some((key, value)) = cursor.item()?
    {
        let (revision, ordinal) = log_keys::split_change(key)?;
        if revision <= first {
            break;
        }
        bytes += key.len() + value.len();
        found.push((ChangePosition { revision, ordinal }, change(names, value)?));
        cursor.retreat();
    }
    Ok(found)
}

/// The last key that is before a position.
fn end(before: ChangePosition) -> Vec<u8> {
    match before.ordinal.checked_sub(1) {
        Some(ordinal) => log_keys::change(before.revision, ordinal),
        None => log_keys::change(Revision(before.revision.0.saturating_sub(1)), u32::MAX),
    }
}

fn start(after: ChangePosition) -> Vec<u8> {
    match after.ordinal.checked_add(1) {
        Some(ordinal) => log_keys::change(after.revision, ordinal),
        None => log_keys::change(Revision(after.revision.0.saturating_add(1)), 0),
    }
}

fn change(names: &NameCatalog, value: &[u8]) -> Result<ChangeLogEntry, CorruptBytes> {
    Ok(match ChangeRecord::from_bytes(value)? {
        ChangeRecord::Touched { row, qualifiers, .. } => {
            let qualifiers = values::decode_qualifiers(qualifiers, names)?;
            update(UpdateOperation::Touch, decode::relationship(names, &row, qualifiers)?)
        }
        ChangeRecord::Deleted(row) => {
            let bare = decode::relationship(names, &row, Qualifiers::default())?;
            update(UpdateOperation::Delete, bare)
        }
        ChangeRecord::SchemaWritten => ChangeLogEntry::Schema,
        ChangeRecord::Metadata(metadata) => ChangeLogEntry::Metadata(metadata),
        ChangeRecord::Writer(name) => ChangeLogEntry::Writer(name.into()),
    })
}

fn update(operation: UpdateOperation, relationship: Relationship) -> ChangeLogEntry {
    ChangeLogEntry::Relationship(RelationshipUpdate { operation, relationship })
}
