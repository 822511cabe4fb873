//! Bounds on a read by filter: how many rows it may examine, for how long, and whether its caller still waits.
//!
//! A filter that no index serves examines many rows for each one that it selects, so the bounds are checked for every
//! row that a scan examines, matching or not.

use crate::relationship::ReadError;
use std::cell::Cell;
use std::fmt;
use std::time::Duration;

/// How many rows are examined between two looks at the caller and the clock. They take about a millisecond.
const ROWS_PER_LOOK: u64 = 1024;

/// What one or several scans may cost together.
///
/// A scan that has examined `rows_max` rows stops with what it has, and with a position to continue from. A scan whose
/// caller has gone, or whose time is over, fails.
pub struct ScanBudget<'b> {
    interrupted: &'b dyn Fn() -> bool,
    time: Option<TimeLimit<'b>>,
    rows_left: Cell<u64>,
    rows_until_look: Cell<u64>,
}

/// The longest time since a start.
#[derive(Clone, Copy)]
struct TimeLimit<'b> {
    elapsed: &'b dyn Fn() -> Duration,
    max: Duration,
}

impl ScanBudget<'static> {
    /// No bound at all, for callers that always wait and know that the scan is short.
    pub fn unlimited() -> Self {
        Self::new(&|| false)
    }
}

impl<'b> ScanBudget<'b> {
    /// Any number of rows, until `interrupted` says that the caller no longer waits. It is called for the first row and for
    /// every thousandth one.
    pub fn new(interrupted: &'b dyn Fn() -> bool) -> Self {
        let rows_left = Cell::new(u64::MAX);
        // The first row is looked at too: a caller that has gone already gets no work at all.
        Self { interrupted, time: None, rows_left, rows_until_look: Cell::new(1) }
    }

    /// The same without the look for the first row, for reads that mostly end within a few rows.
    pub(in crate::store) fn requested_later(self) -> Self {
        self.rows_until_look.set(ROWS_PER_LOOK);
        self
    }

    /// The same with a bound on the rows that are examined.
    #[must_use]
    pub fn with_rows_max(self, rows_max: u64) -> Self {
        self.rows_left.set(rows_max);
        self
    }

    /// The same with a limit on the time that `elapsed` returns.
    #[must_use]
    pub fn with_time_max(self, elapsed: &'b dyn Fn() -> Duration, max: Duration) -> Self {
        Self { time: Some(TimeLimit { elapsed, max }), ..self }
    }

    /// A budget of so many rows under the same bounds on time and patience.
    pub(in crate::store) fn part(&self, rows_max: u64) -> Self {
        Self { time: self.time, ..Self::new(self.interrupted) }.with_rows_max(rows_max)
    }

    /// Whether no further row may be examined.
    pub fn is_spent(&self) -> bool {
        self.rows_left.get() == 0
    }

    /// Takes one row off the budget. Fails when the caller has gone or the time is over.
    pub(in crate::store) fn examine(&self) -> Result<(), ReadError> {
        self.rows_left.set(self.rows_left.get().saturating_sub(1));
        let until_look = self.rows_until_look.get().saturating_sub(1);
        if until_look > 0 {
            self.rows_until_look.set(until_look);
            return Ok(());
        }

        self.rows_until_look.set(ROWS_PER_LOOK);
        if (self.interrupted)() {
            return Err(ReadError::interrupted());
        }
        match self.time {
            Some(TimeLimit { elapsed, max }) if elapsed() > max => Err(ReadError::timed_out(max)),
            Some(_) | None => Ok(()),
        }
    }
}

impl fmt::Debug for ScanBudget<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ScanBudget").field("rows_left", &self.rows_left).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_down() {
        let budget = ScanBudget::unlimited().with_rows_max(2);
        budget.examine().unwrap();
        assert!(!budget.is_spent());
        budget.examine().unwrap();
        assert!(budget.is_spent());
    }

    #[test]
    fn a_caller_that_has_gone_is_noticed_after_a_thousand_rows() {
        let gone = Cell::new(false);
        let interrupted = || gone.get();
        let budget = ScanBudget::new(&interrupted);
        (0..5_000).for_each(|_| budget.examine().unwrap());
        gone.set(true);
        let examined = (0..5_000).take_while(|_| budget.examine().is_ok()).count();
        assert!(examined < 1_024, "{examined}");
    }

    #[test]
    fn time_ends_a_scan() {
        let elapsed = || Duration::from_secs(2);
        let max = Duration::from_secs(1);
        let budget = ScanBudget::unlimited().with_time_max(&elapsed, max);
        let error = (0..5_000).find_map(|_| budget.examine().err()).unwrap();
        assert_eq!(error.timed_out_after(), Some(max));
    }
}
