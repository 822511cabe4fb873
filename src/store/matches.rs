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
    /// The last row that was examined, once the budget is spent.
    last: Option<Vec<u8>>,
}

/// Where a cursor stands.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stand {
    /// At a row that matches.
    Match,
    /// At a row that has not been examined, because the budget is spent.
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
        let rows = Rows::new(reads.source, plan.index, reads.moment, plan.prefix.clone())?;
        Ok(Self { rows, plan, budget, stand: Stand::End, last: None })
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

    /// The key of the last row that was examined, when the budget was spent before the end was reached.
    pub(super) fn unfinished(self) -> Option<Vec<u8>> {
        self.last.filter(|_| self.stand == Stand::Unknown)
    }

    /// Steps and leaps over what does not match.
    fn settle(&mut self) -> Result<(), ReadError> {
        let mut missed = 0;
        while let Some(row) = self.rows.current()? {
            if self.budget.is_spent() {
                self.stand = Stand::Unknown;
                return Ok(());
            }
            self.budget.examine()?;
            if self.budget.is_spent() {
                self.last = Some(row.key.to_vec());
            }
            match self.plan.step(row.key)? {
                Step::Take if row.is_there => {
                    self.stand = Stand::Match;
                    return Ok(());
                }
                Step::Take => self.rows.advance()?,
                Step::Leap(target) => {
                    missed += 1;
                    // To look for a key costs as much as some steps.
                    if missed % STEPS_PER_LEAP == 0 {
                        self.rows.seek(&target)?;
                    } else {
                        self.rows.advance()?;
                    }
                }
                Step::End => break,
            }
        }
        self.stand = Stand::End;
        Ok(())
    }
}
