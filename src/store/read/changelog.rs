//! The change log: the changes of each revision, for watchers.

use super::decode;
use crate::relationship::{
    Context, Qualifiers, ReadError, Relationship, RelationshipUpdate, Revision, Timestamp,
    UpdateOperation,
};
use crate::store::layout::corrupt_bytes::CorruptBytes;
use crate::store::layout::keys;
use crate::store::layout::log_keys;
use crate::store::layout::names::NameCatalog;
use crate::store::layout::values::{self, ChangeRecord};
use crate::store::rocks::column_family::ColumnFamily;
use crate::store::rocks::source::{KeyValue, ReadSource};
use crate::store::time;
use std::sync::Arc;

/// Once so many bytes have been read, the rest has to be asked for.
const BYTES_MAX: usize = 512 << 10;
/// The bytes of a key in `changes`.
const KEY_BYTES: usize = 12;

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
    let mut page = ChangePage { source, names, count_max, bytes: 0, found: Vec::new() };
    let mut cursor = source.cursor(ColumnFamily::Changes, &[])?;
    if after.is_within() {
        // The entry before the next one may stand for prepared changes, of which some are still to come.
        cursor.seek_back(&log_keys::change(after.revision, after.ordinal));
        if let Some((key, value)) = cursor.item()?
            && let (revision, first) = log_keys::split_change(key)?
            && revision == after.revision
            && let ChangeRecord::Prepared(mark) = ChangeRecord::from_bytes(value)?
        {
            let next = (after.ordinal - first).saturating_add(1);
            page.add_prepared(mark, ChangePosition { revision, ordinal: first }, next)?;
        }
    }

    cursor.seek(&start(after));
    while page.has_room()
        && let Some((key, value)) = cursor.item()?
    {
        let (revision, ordinal) = log_keys::split_change(key)?;
        if revision > last {
            break;
        }
        let position = ChangePosition { revision, ordinal };
        let record = ChangeRecord::from_bytes(value)?;
        if let ChangeRecord::Prepared(mark) = record {
            page.add_prepared(mark, position, 0)?;
        } else {
            page.add(position, record, value.len())?;
        }
        cursor.advance();
    }
    Ok(page.found)
}

/// The changes before `before` and after `first`, newest first, at most `count_max`, and fewer where they are large.
pub(in crate::store) fn read_back(
    source: ReadSource<'_>,
    names: &NameCatalog,
    before: ChangePosition,
    first: Revision,
    count_max: usize,
) -> Result<Vec<(ChangePosition, ChangeLogEntry)>, ReadError> {
    let mut page = ChangePage { source, names, count_max, bytes: 0, found: Vec::new() };
    let mut cursor = source.cursor(ColumnFamily::Changes, &[])?;
    cursor.seek_back(&end(before));
    while page.has_room()
        && let Some((key, value)) = cursor.item()?
    {
        let (revision, ordinal) = log_keys::split_change(key)?;
        if revision <= first {
            break;
        }
        let position = ChangePosition { revision, ordinal };
        let record = ChangeRecord::from_bytes(value)?;
        if let ChangeRecord::Prepared(mark) = record {
            page.add_prepared_back(mark, position, before)?;
        } else {
            page.add(position, record, value.len())?;
        }
        cursor.retreat();
    }
    Ok(page.found)
}

/// The changes that have been read.
struct ChangePage<'p> {
    source: ReadSource<'p>,
    names: &'p NameCatalog,
    count_max: usize,
    bytes: usize,
    found: Vec<(ChangePosition, ChangeLogEntry)>,
}

impl ChangePage<'_> {
    fn has_room(&self) -> bool {
        self.found.len() < self.count_max && self.bytes < BYTES_MAX
    }

    fn add(
        &mut self,
        position: ChangePosition,
        record: ChangeRecord<'_>,
        bytes: usize,
    ) -> Result<(), CorruptBytes> {
        self.bytes += KEY_BYTES + bytes;
        self.found.push((position, change(self.names, record)?));
        Ok(())
    }

    /// Adds the changes under a mark from number `next` on. `at` is the position of the entry that stands for them, and of the
    /// first of them.
    fn add_prepared(
        &mut self,
        mark: Revision,
        at: ChangePosition,
        next: u32,
    ) -> Result<(), ReadError> {
        let mut cursor = self.source.cursor(ColumnFamily::Changes, &mark.0.to_be_bytes())?;
        cursor.seek(&log_keys::change(mark, next));
        while self.has_room()
            && let Some(entry) = cursor.item()?
        {
            self.add_numbered(mark, at, entry)?;
            cursor.advance();
        }
        Ok(())
    }

    /// Adds the changes under a mark that lie before a position, newest first.
    fn add_prepared_back(
        &mut self,
        mark: Revision,
        at: ChangePosition,
        before: ChangePosition,
    ) -> Result<(), ReadError> {
        let last = match before.ordinal.checked_sub(at.ordinal) {
            Some(number) if before.revision == at.revision && before.is_within() => {
                number.checked_sub(1)
            }
            Some(_) | None => Some(u32::MAX),
        };
        let Some(last) = last else { return Ok(()) };
        let mut cursor = self.source.cursor(ColumnFamily::Changes, &mark.0.to_be_bytes())?;
        cursor.seek_back(&log_keys::change(mark, last));
        while self.has_room()
            && let Some((key, value)) = cursor.item()?
            && log_keys::split_change(key)?.0 == mark
        {
            self.add_numbered(mark, at, (key, value))?;
            cursor.retreat();
        }
        Ok(())
    }

    /// Adds a change under a mark, in the revision that published it. A deletion counts only if its row was not moved back.
    fn add_numbered(
        &mut self,
        mark: Revision,
        at: ChangePosition,
        (key, value): KeyValue<'_>,
    ) -> Result<(), ReadError> {
        let (_, number) = log_keys::split_change(key)?;
        let record = ChangeRecord::from_bytes(value)?;
        if let ChangeRecord::Deleted(row) = &record {
            let moved = keys::deleted(&row.by_resource(), mark);
            if self.source.get(ColumnFamily::Deleted, &moved)?.is_none() {
                return Ok(());
            }
        }
        let position = ChangePosition { ordinal: at.ordinal.saturating_add(number), ..at };
        Ok(self.add(position, record, value.len())?)
    }
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

fn change(names: &NameCatalog, record: ChangeRecord<'_>) -> Result<ChangeLogEntry, CorruptBytes> {
    Ok(match record {
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
        ChangeRecord::Prepared(_) => {
            return Err(CorruptBytes("a prepared revision is within another one"));
        }
    })
}

fn update(operation: UpdateOperation, relationship: Relationship) -> ChangeLogEntry {
    ChangeLogEntry::Relationship(RelationshipUpdate { operation, relationship })
}
