//! The rows that a filter selects, in the order of the index that serves it.

use super::budget::ScanBudget;
use super::plan::{Plan, Step};
use super::reads::Reads;
use super::rocks::Item;
use super::rows::Rows;
use crate::relationship::ReadError;

/// How many rows in a row are stepped over before the next ones are leapt over.
const STEPS_PER_LEAP: usize = 4;

/// Stands at one row of a plan after the other.
pub(super) struct Matches<'a> {
    rows: Rows<'a>,
    plan: &'a Plan,
    budget: &'a ScanBudget<'a>,
    stand: Stand,
    /// How many rows in a row did not match.
    missed: usize,
    /// The last row that was examined, once the budget is spent.
    last: Option<Vec<u8>>,
}

/// Where a cursor stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// At a row that matches.
    Match,
    /// At a row that has not been examined, because the budget is spent or others have their turn.
    Unknown,
    /// Behind the last row that may match.
    End,
}

impl<'a> Matches<'a> {
    /// Stands nowhere until the first seek.
    pub(super) fn new(
        reads: &Reads<'a>,
        plan: &'a Plan,
        budget: &'a ScanBudget<'a>,
    ) -> Result<Self, ReadError> {
        Self::within(reads, plan, plan.prefix.clone(), budget)
    }

    /// The same for those whose keys start with `prefix`.
    pub(super) fn within(
        reads: &Reads<'a>,
        plan: &'a Plan,
        prefix: Vec<u8>,
        budget: &'a ScanBudget<'a>,
    ) -> Result<Self, ReadError> {
        let rows = Rows::new(reads.source, plan.index, reads.moment, prefix)?;
        Ok(Self { rows, plan, budget, stand: Stand::End, missed: 0, last: None })
    }

    /// Goes to the first row that matches and is not below `key`.
    pub(super) fn seek(&mut self, key: &[u8]) -> Result<(), ReadError> {
        self.rows.seek(key.max(&self.plan.prefix))?;
        self.settle()
    }

    /// Goes to the next row that matches.
    pub(super) fn advance(&mut self) -> Result<(), ReadError> {
        self.rows.advance()?;
        self.settle()
    }

    /// The key and value of the current row; `None` behind the last one, and when the budget is spent.
    pub(super) fn current(&self) -> Result<Option<Item<'_>>, ReadError> {
        match self.stand {
            Stand::Match => Ok(self.rows.current()?.map(|row| (row.key, row.value))),
            Stand::Unknown | Stand::End => Ok(None),
        }
    }

    /// Goes to the first row that is not below `key`, and looks for a match among so many rows from there on.
    pub(super) fn seek_within(&mut self, key: &[u8], rows_max: usize) -> Result<(), ReadError> {
        self.rows.seek(key.max(&self.plan.prefix))?;
        self.settle_within(rows_max)
    }

    /// Goes to the next row, and looks for a match among so many rows from there on.
    pub(super) fn advance_within(&mut self, rows_max: usize) -> Result<(), ReadError> {
        // A row that was not examined is still to come.
        if self.stand == Stand::Match {
            self.rows.advance()?;
        }
        self.settle_within(rows_max)
    }

    /// Looks for a match among so many rows, whatever is left of the budget.
    pub(super) fn settle_within(&mut self, rows_max: usize) -> Result<(), ReadError> {
        self.stand = Stand::Unknown;
        for _ in 0..rows_max {
            if self.examine()? {
                return Ok(());
            }
        }
        if self.rows.current()?.is_none() {
            self.stand = Stand::End;
        }
        Ok(())
    }

    /// The key of the row at which it stands, whether or not that matches; `None` at the end.
    pub(super) fn key(&self) -> Result<Option<&[u8]>, ReadError> {
        match self.stand {
            Stand::Match | Stand::Unknown => Ok(self.rows.current()?.map(|row| row.key)),
            Stand::End => Ok(None),
        }
    }

    pub(super) fn is_at_match(&self) -> bool {
        self.stand == Stand::Match
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.stand == Stand::End
    }

    /// The key of the last row that was examined, when the budget was spent before the end was reached.
    pub(super) fn unfinished(self) -> Option<Vec<u8>> {
        self.last.filter(|_| self.stand == Stand::Unknown)
    }

    /// Steps and leaps over what does not match, until the budget is spent.
    fn settle(&mut self) -> Result<(), ReadError> {
        loop {
            if self.budget.is_spent() && self.rows.current()?.is_some() {
                self.stand = Stand::Unknown;
                return Ok(());
            }
            if self.examine()? {
                return Ok(());
            }
        }
    }

    /// Examines one row, and goes on behind it unless it matches. `true` at a match and at the end.
    fn examine(&mut self) -> Result<bool, ReadError> {
        let Some(row) = self.rows.current()? else {
            self.stand = Stand::End;
            return Ok(true);
        };
        self.budget.examine()?;
        if self.budget.is_spent() {
            self.last = Some(row.key.to_vec());
        }
        match self.plan.step(row.key)? {
            Step::Take if row.is_there => {
                self.missed = 0;
                self.stand = Stand::Match;
                return Ok(true);
            }
            Step::Take => self.rows.advance()?,
            Step::Leap(target) => {
                self.missed += 1;
                // To look for a key costs as much as some steps.
                if self.missed.is_multiple_of(STEPS_PER_LEAP) {
                    self.rows.seek(&target)?;
                } else {
                    self.rows.advance()?;
                }
            }
            Step::End => {
                self.stand = Stand::End;
                return Ok(true);
            }
        }
        Ok(false)
    }
}
