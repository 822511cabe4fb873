//! The head record: the newest revision of the store and the bounds of its history.

use super::layout::corrupt_bytes::CorruptBytes;
use super::layout::meta_keys;
use super::layout::values;
use super::prepared::PreparedSummary;
use super::rocks::column_family::ColumnFamily;
use super::rocks::source::ReadSource;
use crate::relationship::{ReadError, Revision};

/// The newest revision and the bounds of the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HeadRecord {
    /// The newest revision.
    pub(super) revision: Revision,
    /// The revision that wrote the schema; 0 when no schema was written.
    pub(super) schema: Revision,
    /// The oldest revision that can be read.
    pub(super) horizon: Revision,
    /// The revision of a chunked write in progress: some of its rows are stored, and no read may show them yet.
    pub(super) unfinished: Option<Revision>,
    /// The prepared revisions, in short.
    pub(super) prepared: PreparedSummary,
}

impl HeadRecord {
    pub(super) fn bytes(self) -> Vec<u8> {
        debug_assert!(self.horizon <= self.revision && self.schema <= self.revision, "{self:?}");
        debug_assert!(self.unfinished.is_none_or(|unfinished| unfinished > self.revision));
        let mut numbers = vec![self.revision.0, self.schema.0, self.horizon.0];
        if self.prepared != PreparedSummary::default() {
            numbers.push(self.unfinished.unwrap_or_default().0);
            numbers.extend(self.prepared.numbers());
        } else if let Some(unfinished) = self.unfinished {
            numbers.push(unfinished.0);
        }
        let numbers = numbers.into_iter().flat_map(u64::to_be_bytes);
        std::iter::once(values::VERSION).chain(numbers).collect()
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, CorruptBytes> {
        let (revision, rest) = values::split_revision(values::versioned(bytes)?)?;
        let (schema, rest) = values::split_revision(rest)?;
        let (horizon, rest) = values::split_revision(rest)?;
        let (unfinished, rest) = match rest {
            [] => (Revision::default(), rest),
            rest => values::split_revision(rest)?,
        };
        let prepared = match rest {
            [] => PreparedSummary::default(),
            rest => PreparedSummary::from_bytes(rest)?,
        };
        let unfinished = Some(unfinished).filter(|unfinished| *unfinished > Revision::default());
        Ok(Self { revision, schema, horizon, unfinished, prepared })
    }
}

/// Reads the head record.
pub(super) fn read_head(source: ReadSource<'_>) -> Result<HeadRecord, ReadError> {
    let value = source.get(ColumnFamily::Meta, meta_keys::HEAD)?;
    let value = value.ok_or(CorruptBytes("the head record is missing"))?;
    Ok(HeadRecord::from_bytes(&value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn heads_come_back_as_they_were_written(
            revisions in any::<[u32; 4]>(), unfinished in any::<bool>(), prepared in any::<[u64; 3]>(),
        ) {
            let [a, b, c, d] = revisions.map(|number| Revision(u64::from(number)));
            let revision = a.max(b).max(c);
            let next = Revision(revision.0 + 1 + d.0);
            let unfinished = unfinished.then_some(next);
            let [generation, pending, newest] = prepared.map(|number| number % 3);
            let prepared = PreparedSummary { generation, pending, newest: Revision(newest) };
            let head = HeadRecord { revision, schema: b, horizon: c, unfinished, prepared };
            prop_assert_eq!(HeadRecord::from_bytes(&head.bytes()), Ok(head));
        }

        #[test]
        fn no_bytes_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..60), known in any::<bool>()) {
            if let (true, Some(first)) = (known, bytes.first_mut()) {
                *first = values::VERSION;
            }
            let _ = HeadRecord::from_bytes(&bytes);
        }
    }
}
