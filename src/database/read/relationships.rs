//! Pages of relationships: reads by filter, exports and counts.

use super::view::View;
use crate::database::error::DatabaseError;
use crate::database::guards::require_filter;
use crate::relationship::{Relationship, RelationshipFilter};
use crate::store::{ScanPage, ScanPosition};

/// Maximum rows that one page of a read examines: some milliseconds of work. Between pages, other calls use the thread.
const ROWS_PER_PAGE: u64 = 10_000;

/// The position of a read. It is valid for the same filter, at every revision of the same store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadPosition(pub(in crate::database) ScanPosition);

/// A page of relationships.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ReadPage {
    /// The relationships, each with the position after it.
    pub rows: Vec<(Relationship, ReadPosition)>,
    /// The position to continue from; `None` at the end. A page without rows may have one: the rows that a page examines are
    /// limited, and the filter may match none of them.
    pub next: Option<ReadPosition>,
}

impl From<ScanPage> for ReadPage {
    fn from(page: ScanPage) -> Self {
        let rows = page.rows.into_iter().map(|(row, position)| (row, ReadPosition(position)));
        Self { rows: rows.collect(), next: page.next.map(ReadPosition) }
    }
}

/// Bytes that do not encode a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the bytes are not the position of a read")]
pub struct InvalidReadPosition;

impl ReadPosition {
    /// Whether it is a position of [`View::read`] or [`View::export`]. Positions of deletions, and of reads before the order
    /// of relationships changed, are not.
    pub fn is_read_position(&self) -> bool {
        self.0.is_ordered()
    }

    /// Encodes the position.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.0.to_bytes()
    }

    /// Decodes a position.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidReadPosition> {
        ScanPosition::from_bytes(bytes).map(Self).map_err(|_| InvalidReadPosition)
    }
}

impl View<'_> {
    /// The relationships that match a filter, after a position, at most `count_max`. They are ordered by resource type, id,
    /// relation and subject.
    pub fn read(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ReadPosition>,
        count_max: usize,
    ) -> Result<ReadPage, DatabaseError> {
        require_filter(self.schema(), filter)?;
        let after = after.map(|position| &position.0);
        let budget = self.snapshot.scan_budget().with_rows_max(ROWS_PER_PAGE);
        Ok(self.snapshot.scan_ordered(filter, after, count_max, &budget)?.into())
    }

    /// Like [`View::read`], and without a filter all relationships. Stores with the same relationships export them in the
    /// same order.
    pub fn export(
        &self,
        filter: Option<&RelationshipFilter>,
        after: Option<&ReadPosition>,
        count_max: usize,
    ) -> Result<ReadPage, DatabaseError> {
        if let Some(filter) = filter {
            return self.read(filter, after, count_max);
        }
        let everything = RelationshipFilter::default();
        let after = after.map(|position| &position.0);
        let budget = self.snapshot.scan_budget().with_rows_max(ROWS_PER_PAGE);
        Ok(self.snapshot.scan_ordered(&everything, after, count_max, &budget)?.into())
    }

    /// The number of relationships that a registered counter matches. They are counted anew each time.
    pub fn count(&self, name: &str) -> Result<u64, DatabaseError> {
        let unknown = || DatabaseError::CounterUnknown { name: name.to_owned() };
        let filter = self.snapshot.counter(name)?.ok_or_else(unknown)?;
        Ok(self.snapshot.count(&filter, None, &self.snapshot.scan_budget())?.0)
    }
}
