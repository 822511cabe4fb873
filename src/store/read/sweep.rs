//! One pass over the rows of an index for many keys in order.
//!
//! To place a cursor costs more than to move it by some rows. Keys that are close together share one, and a key before the
//! row at which it stands needs no read at all.

use super::row_cursor::{ReadAt, RowCursor, VersionedRow};
use super::row_index::RowIndex;
use super::scan_budget::ScanBudget;
use crate::relationship::ReadError;
use crate::store::rocks::source::ReadSource;

/// How many rows are stepped over before a cursor is placed anew.
const STEPS_MAX: usize = 4;
/// How many more times than half of the keys a cursor may be placed before the keys count as far apart.
const SEEKS_MAX: usize = 8;

/// A cursor that goes forward from key to key.
pub(super) struct RowSweep<'a> {
    rows: RowCursor<'a>,
    budget: ScanBudget<'a>,
    /// The key that was gone to last.
    last: Option<Vec<u8>>,
    keys: usize,
    seeks: usize,
}

impl<'a> RowSweep<'a> {
    /// A pass over keys that begin with `prefix`, for as long as the caller waits.
    pub(super) fn new(
        (source, read_at): (ReadSource<'a>, ReadAt<'a>),
        index: RowIndex,
        prefix: Vec<u8>,
        interrupted: &'a dyn Fn() -> bool,
    ) -> Result<Self, ReadError> {
        let rows = RowCursor::new(source, index, read_at, prefix)?;
        let budget = ScanBudget::new(interrupted).requested_later();
        Ok(Self { rows, budget, last: None, keys: 0, seeks: 0 })
    }

    /// Goes to the first row that is not below `key`. Keys in their order cost the least.
    pub(super) fn go_to(&mut self, key: Vec<u8>) -> Result<(), ReadError> {
        self.budget.examine()?;
        self.keys += 1;
        let is_ahead = self.last.as_ref().is_none_or(|last| *last >= key);
        if is_ahead || !self.step_to(&key)? {
            self.seeks += 1;
            self.rows.seek(&key)?;
        }
        self.last = Some(key);
        Ok(())
    }

    /// Whether a few steps lead to the first row that is not below `key`.
    fn step_to(&mut self, key: &[u8]) -> Result<bool, ReadError> {
        for _ in 0..STEPS_MAX {
            if self.rows.current()?.is_none_or(|row| row.key >= key) {
                return Ok(true);
            }
            self.rows.advance()?;
        }
        Ok(self.rows.current()?.is_none_or(|row| row.key >= key))
    }

    /// The row here, if its key begins with `start`.
    pub(super) fn row(&self, start: &[u8]) -> Result<Option<VersionedRow<'_>>, ReadError> {
        Ok(self.rows.current()?.filter(|row| row.key.starts_with(start)))
    }

    /// Goes to the next row.
    pub(super) fn advance(&mut self) -> Result<(), ReadError> {
        self.budget.examine()?;
        self.rows.advance()
    }

    /// Whether the keys lie so far apart that they are better looked for one by one.
    pub(super) fn is_futile(&self) -> bool {
        self.seeks > SEEKS_MAX + self.keys / 2
    }
}
