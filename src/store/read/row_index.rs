//! The two indexes in which rows are stored.

use crate::store::layout::corrupt_bytes::CorruptBytes;
use crate::store::layout::keys::{self, KEY_PARTS};
use crate::store::rocks::column_family::ColumnFamily;
/// One of the two orders in which rows are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum RowIndex {
    ByResource,
    BySubject,
}

impl RowIndex {
    pub(in crate::store) fn live(self) -> ColumnFamily {
        match self {
            Self::ByResource => ColumnFamily::Live,
            Self::BySubject => ColumnFamily::LiveBySubject,
        }
    }

    pub(in crate::store) fn deleted(self) -> ColumnFamily {
        match self {
            Self::ByResource => ColumnFamily::Deleted,
            Self::BySubject => ColumnFamily::DeletedBySubject,
        }
    }

    /// The start of a key up to its resource id, which comes before the id in one index and closes the key in the other:
    /// the keys that share it are in the order of resource ids.
    pub(in crate::store) fn lane(self, key: &[u8]) -> Result<&[u8], CorruptBytes> {
        let parts = self.cut(key)?;
        let names = match self {
            Self::ByResource => parts.get(..2),
            Self::BySubject => parts.get(..5),
        };
        let length = names.unwrap_or_default().iter().map(|part| part.len()).sum();
        key.get(..length).ok_or(CorruptBytes("a key is cut short"))
    }

    /// The start of a key up to the end of its resource id.
    pub(in crate::store) fn group(self, key: &[u8]) -> Result<&[u8], CorruptBytes> {
        let length = self.lane(key)?.len() + self.resource_id(key)?.len();
        key.get(..length).ok_or(CorruptBytes("a key is cut short"))
    }

    /// The resource id in a key, with its closing byte.
    pub(in crate::store) fn resource_id(self, key: &[u8]) -> Result<&[u8], CorruptBytes> {
        let [_, _, third, _, _, last] = self.cut(key)?;
        Ok(match self {
            Self::ByResource => third,
            Self::BySubject => last,
        })
    }

    /// The parts of a key, in the order in which it has them.
    pub(in crate::store) fn cut(self, key: &[u8]) -> Result<[&[u8]; KEY_PARTS], CorruptBytes> {
        keys::cut(
            key,
            match self {
                Self::ByResource => keys::BY_RESOURCE,
                Self::BySubject => keys::BY_SUBJECT,
            },
        )
    }
}
