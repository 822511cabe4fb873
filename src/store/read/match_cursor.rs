//! The rows that a filter selects, in the order of the index that serves it.

use super::row_cursor::{ReadAt, RowCursor};
use super::scan_budget::ScanBudget;
use super::scan_plan::{ScanPlan, ScanStep};
use crate::relationship::ReadError;
use crate::store::rocks::source::{KeyValue, ReadSource};

/// How many consecutive rows are stepped over before the next ones are skipped with a seek.
const STEPS_PER_SEEK: usize = 4;

/// A cursor over the rows that match a plan.
pub(in crate::store) struct MatchCursor<'a> {
    rows: RowCursor<'a>,
    plan: &'a ScanPlan,
    budget: &'a ScanBudget<'a>,
    state: CursorState,
    /// How many rows in a row did not match.
    missed: usize,
    /// The last row that was examined, once the budget is spent.
    last: Option<Vec<u8>>,
}

/// The position of a cursor.
#[derive(Clone, Copy, PartialEq, Eq)]
enum CursorState {
    /// At a row that matches.
    Match,
    /// At a row that has not been examined, because the budget is spent or others have their turn.
    Unknown,
    /// After the last row that may match.
    End,
}

impl<'a> MatchCursor<'a> {
    /// It has no position until the first seek.
    pub(in crate::store) fn new(
        (source, read_at): (ReadSource<'a>, ReadAt<'a>),
        plan: &'a ScanPlan,
        budget: &'a ScanBudget<'a>,
    ) -> Result<Self, ReadError> {
        Self::within((source, read_at), plan, plan.prefix.clone(), budget)
    }

    /// The same for those whose keys start with `prefix`.
    pub(in crate::store) fn within(
        (source, read_at): (ReadSource<'a>, ReadAt<'a>),
        plan: &'a ScanPlan,
        prefix: Vec<u8>,
        budget: &'a ScanBudget<'a>,
    ) -> Result<Self, ReadError> {
        let rows = RowCursor::new(source, plan.index, read_at, prefix)?;
        Ok(Self { rows, plan, budget, state: CursorState::End, missed: 0, last: None })
    }

    /// Goes to the first row that matches and is not below `key`.
    pub(in crate::store) fn seek(&mut self, key: &[u8]) -> Result<(), ReadError> {
        self.rows.seek(key.max(&self.plan.prefix))?;
        self.settle()
    }

    /// Goes to the next row that matches.
    pub(in crate::store) fn advance(&mut self) -> Result<(), ReadError> {
        self.rows.advance()?;
        self.settle()
    }

    /// The key and value of the current row; `None` after the last one, and when the budget is spent.
    pub(in crate::store) fn current(&self) -> Result<Option<KeyValue<'_>>, ReadError> {
        match self.state {
            CursorState::Match => Ok(self.rows.current()?.map(|row| (row.key, row.value))),
            CursorState::Unknown | CursorState::End => Ok(None),
        }
    }

    /// Goes to the first row that is not below `key`, and looks for a match among so many rows from there on.
    pub(in crate::store) fn seek_within(
        &mut self,
        key: &[u8],
        rows_max: usize,
    ) -> Result<(), ReadError> {
        self.rows.seek(key.max(&self.plan.prefix))?;
        self.settle_within(rows_max)
    }

    /// Goes to the next row, and looks for a match among so many rows from there on.
    pub(in crate::store) fn advance_within(&mut self, rows_max: usize) -> Result<(), ReadError> {
        // A row that was not examined is still to come.
        if self.state == CursorState::Match {
            self.rows.advance()?;
        }
        self.settle_within(rows_max)
    }

    /// Looks for a match among so many rows, whatever is left of the budget.
    pub(in crate::store) fn settle_within(&mut self, rows_max: usize) -> Result<(), ReadError> {
        self.state = CursorState::Unknown;
        for _ in 0..rows_max {
            if self.examine()? {
                return Ok(());
            }
        }
        if self.rows.current()?.is_none() {
            self.state = CursorState::End;
        }
        Ok(())
    }

    /// The key of the row at which it stands, whether or not that matches; `None` at the end.
    pub(in crate::store) fn key(&self) -> Result<Option<&[u8]>, ReadError> {
        match self.state {
            CursorState::Match | CursorState::Unknown => {
                Ok(self.rows.current()?.map(|row| row.key))
            }
            CursorState::End => Ok(None),
        }
    }

    pub(in crate::store) fn is_at_match(&self) -> bool {
        self.state == CursorState::Match
    }

    pub(in crate::store) fn is_at_end(&self) -> bool {
        self.state == CursorState::End
    }

    /// The key of the last row that was examined, when the budget was spent before the end was reached.
    pub(in crate::store) fn unfinished(self) -> Option<Vec<u8>> {
        self.last.filter(|_| self.state == CursorState::Unknown)
    }

    /// Steps and skips rows that do not match, until the budget is spent.
    fn settle(&mut self) -> Result<(), ReadError> {
        loop {
            // Not between rows of one key, of which another may have existed: what follows continues after the key.
            if self.budget.is_spent()
                && let Some(next) = self.rows.current()?
                && self.last.as_deref() != Some(next.key)
            {
                self.state = CursorState::Unknown;
                return Ok(());
            }
            if self.examine()? {
                return Ok(());
            }
        }
    }

    /// Examines one row, and moves past it unless it matches. `true` at a match and at the end.
    fn examine(&mut self) -> Result<bool, ReadError> {
        let Some(row) = self.rows.current()? else {
            self.state = CursorState::End;
            return Ok(true);
        };
        self.budget.examine()?;
        if self.budget.is_spent() {
            self.last = Some(row.key.to_vec());
        }

        match self.plan.step(row.key)? {
            ScanStep::Match if row.existed => {
                self.missed = 0;
                self.state = CursorState::Match;
                return Ok(true);
            }
            ScanStep::Match => self.rows.advance()?,
            ScanStep::SkipTo(target) => {
                self.missed += 1;
                // A seek costs as much as several steps.
                if self.missed.is_multiple_of(STEPS_PER_SEEK) {
                    self.rows.seek(&target)?;
                } else {
                    self.rows.advance()?;
                }
            }
            ScanStep::End => {
                self.state = CursorState::End;
                return Ok(true);
            }
        }
        Ok(false)
    }
}
