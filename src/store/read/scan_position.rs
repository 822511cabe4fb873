//! Positions of reads by filter.

use super::row_index::RowIndex;
use crate::store::layout::corrupt_bytes::CorruptBytes;
use crate::store::layout::keys::{self, KeyBuf, RowKey};
/// How far a read by filter has come. Survives restarts, and fits reads in the same order by the same filter, on every
/// revision of the same store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScanPosition {
    order: PositionOrder,
    key: Vec<u8>,
}

/// The order that a position belongs to, and what its key is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum PositionOrder {
    /// After a row, in the order of an index.
    Index(RowIndex),
    /// After the row with a key of `live`, in the order of [`super::Snapshot::scan_ordered`].
    After,
    /// In the same order before all rows of one relation of one resource, with which keys of `live` start.
    Before,
}

/// A position in the order of [`super::Snapshot::scan_ordered`], as a key of `live` or the start of one.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum OrderedKey<'k> {
    /// After this row.
    After(&'k [u8]),
    /// Before all rows of this relation of this resource.
    Before(&'k [u8]),
}

impl<'k> OrderedKey<'k> {
    pub(in crate::store) fn bytes(self) -> &'k [u8] {
        let (Self::After(bytes) | Self::Before(bytes)) = self;
        bytes
    }
}

/// Bytes that are no position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the position is not one that a read gave")]
pub struct InvalidScanPosition;

const BY_RESOURCE: u8 = 1;
const BY_SUBJECT: u8 = 2;
const AFTER: u8 = 3;
const BEFORE: u8 = 4;

impl ScanPosition {
    pub(in crate::store) fn new(index: RowIndex, key: &[u8]) -> Self {
        Self { order: PositionOrder::Index(index), key: key.to_vec() }
    }

    /// After the row with this key of `live`, in the order of resources.
    pub(in crate::store) fn after(key: &[u8]) -> Self {
        Self { order: PositionOrder::After, key: key.to_vec() }
    }

    /// Before all rows of a row's resource and relation, in the order of resources.
    pub(in crate::store) fn before(row: &RowKey<'_>) -> Self {
        let key = KeyBuf::default().name(row.resource_type).name(row.relation);
        Self { order: PositionOrder::Before, key: key.object_id(row.resource_id).bytes() }
    }

    /// The position of the same row in the order of resources.
    pub(in crate::store) fn into_ordered(self) -> Result<Self, CorruptBytes> {
        let key = match self.order {
            PositionOrder::Index(RowIndex::BySubject) => {
                RowKey::from_by_subject(&self.key)?.by_resource()
            }
            PositionOrder::Index(RowIndex::ByResource) => self.key,
            PositionOrder::After | PositionOrder::Before => return Ok(self),
        };
        Ok(Self { order: PositionOrder::After, key })
    }

    /// The position as one in the order of resources; `None` when it is of another order.
    pub(in crate::store) fn ordered(&self) -> Option<OrderedKey<'_>> {
        match self.order {
            PositionOrder::After => Some(OrderedKey::After(&self.key)),
            PositionOrder::Before => Some(OrderedKey::Before(&self.key)),
            PositionOrder::Index(_) => None,
        }
    }

    /// Whether it is a position of an ordered read, [`crate::store::Snapshot::scan_ordered`].
    pub fn is_ordered(&self) -> bool {
        self.ordered().is_some()
    }

    /// The position in bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let order = match self.order {
            PositionOrder::Index(RowIndex::ByResource) => BY_RESOURCE,
            PositionOrder::Index(RowIndex::BySubject) => BY_SUBJECT,
            PositionOrder::After => AFTER,
            PositionOrder::Before => BEFORE,
        };
        [&[order], self.key.as_slice()].concat()
    }

    /// Reads a position.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidScanPosition> {
        let (order, key) = match bytes.split_first() {
            Some((&BY_RESOURCE, key)) if RowKey::from_by_resource(key).is_ok() => {
                (PositionOrder::Index(RowIndex::ByResource), key)
            }
            Some((&BY_SUBJECT, key)) if RowKey::from_by_subject(key).is_ok() => {
                (PositionOrder::Index(RowIndex::BySubject), key)
            }
            Some((&AFTER, key)) if RowKey::from_by_resource(key).is_ok() => {
                (PositionOrder::After, key)
            }
            Some((&BEFORE, key)) if keys::resource_parts(key).is_ok() => {
                (PositionOrder::Before, key)
            }
            Some(_) | None => return Err(InvalidScanPosition),
        };
        Ok(Self { order, key: key.to_vec() })
    }

    /// The key to continue from in an index; `None` when the position is of another order.
    pub(in crate::store) fn start(&self, index: RowIndex, prefix: &[u8]) -> Option<Vec<u8>> {
        let start = keys::past(self.key.clone());
        (self.order == PositionOrder::Index(index)).then(|| start.max(prefix.to_vec()))
    }
}
