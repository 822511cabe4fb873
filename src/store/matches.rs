//! The rows that a filter selects, in the order of the index that serves it.

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
    /// Whether there may be more rows that match.
    goes_on: bool,
}

impl<'a> Matches<'a> {
    /// Stands nowhere until the first seek.
    pub(super) fn new(reads: &Reads<'a>, plan: &'a Plan) -> Result<Self, ReadError> {
        let rows = Rows::new(reads.source, plan.index, reads.moment, plan.prefix.clone())?;
        Ok(Self { rows, plan, goes_on: false })
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

    /// The key and value of the current row; `None` behind the last one.
    pub(super) fn current(&self) -> Result<Option<Item<'_>>, ReadError> {
        if self.goes_on { self.rows.current() } else { Ok(None) }
    }

    /// Steps and leaps over what does not match.
    fn settle(&mut self) -> Result<(), ReadError> {
        let mut missed = 0;
        while let Some((key, _)) = self.rows.current()? {
            match self.plan.step(key)? {
                Step::Take => {
                    self.goes_on = true;
                    return Ok(());
                }
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
        self.goes_on = false;
        Ok(())
    }
}
