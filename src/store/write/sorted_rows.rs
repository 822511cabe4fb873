//! Rows of an import in the order of their bytes, of any number in little memory.
//!
//! The rows are sorted in runs that fit into memory, as they come. Reading merges the runs.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

/// How many bytes of rows a run has. It is sorted in some 10 ms, so that no caller who leaves is waited for.
const RUN_BYTES: usize = 2 << 20;
/// How many bytes all runs together read ahead.
const AHEAD_BYTES: usize = 8 << 20;
/// The most and the fewest bytes that one run reads ahead. A row that is larger is read all the same.
const RUN_AHEAD_BYTES_MAX: usize = 256 << 10;
const RUN_AHEAD_BYTES_MIN: usize = 4 << 10;
/// The bytes before a row, which say how long it is.
pub(super) const LENGTH_BYTES: usize = 4;

/// Rows in byte order.
pub(super) struct SortedRows {
    file: File,
    /// Where each run that is in the file ends.
    ends: Vec<u64>,
    newest: NewestRun,
}

/// The run in the making.
#[derive(Default)]
struct NewestRun {
    /// Its rows, concatenated.
    bytes: Vec<u8>,
    rows: Vec<RowPlace>,
    is_sorted: bool,
}

/// Where a row is in a run.
#[derive(Clone, Copy)]
struct RowPlace {
    start: u32,
    end: u32,
}

impl SortedRows {
    /// None so far; what does not fit into memory goes to this empty file.
    pub(super) fn new(file: File) -> Self {
        Self { file, ends: Vec::new(), newest: NewestRun::default() }
    }

    /// Adds a row, given in two parts.
    pub(super) fn add(&mut self, key: &[u8], rest: &[u8]) -> io::Result<()> {
        let run = &mut self.newest;
        let length = key.len() + rest.len();
        if !run.rows.is_empty() && run.bytes.len() + length > RUN_BYTES {
            self.write_run()?;
        }

        let run = &mut self.newest;
        let place = |at: usize| u32::try_from(at).map_err(io::Error::other);
        let start = place(run.bytes.len())?;
        run.bytes.extend_from_slice(key);
        run.bytes.extend_from_slice(rest);
        run.rows.push(RowPlace { start, end: place(run.bytes.len())? });
        run.is_sorted = false;
        Ok(())
    }

    /// Whether a row begins with these bytes, when that is known without reading the file.
    pub(super) fn begins_in_memory(&mut self, key: &[u8]) -> Option<bool> {
        if !self.ends.is_empty() {
            return None;
        }
        let run = &mut self.newest;
        run.sort();
        let first = run.rows.partition_point(|row| run.bytes_of(*row) < key);
        Some(run.rows.get(first).is_some_and(|row| run.bytes_of(*row).starts_with(key)))
    }

    /// Writes what is left, if not all fits into memory. Call it before [`Self::merged`].
    pub(super) fn finish(&mut self) -> io::Result<()> {
        if self.ends.is_empty() || self.newest.rows.is_empty() { Ok(()) } else { self.write_run() }
    }

    /// All rows, in byte order.
    pub(super) fn merged(&mut self) -> io::Result<MergedRows<'_>> {
        self.newest.sort();
        let count = self.ends.len() + 1;
        let ahead = (AHEAD_BYTES / count).clamp(RUN_AHEAD_BYTES_MIN, RUN_AHEAD_BYTES_MAX);
        let (mut runs, mut start) = (Vec::new(), 0);
        for end in &self.ends {
            runs.push(RunRows::Stored(StoredRun::new(&self.file, start, *end, ahead)));
            start = *end;
        }
        runs.push(RunRows::Newest(&self.newest, 0));

        let mut merged = MergedRows { runs, heads: BinaryHeap::new(), current: None };
        for run in 0..count {
            merged.advance(run, Vec::new())?;
        }
        Ok(merged)
    }

    fn write_run(&mut self) -> io::Result<()> {
        let mut run = std::mem::take(&mut self.newest);
        run.sort();
        let mut bytes = Vec::with_capacity(run.bytes.len() + LENGTH_BYTES * run.rows.len());
        for row in &run.rows {
            bytes.extend((row.end - row.start).to_be_bytes());
            bytes.extend_from_slice(run.bytes_of(*row));
        }

        let start = self.ends.last().copied().unwrap_or_default();
        self.file.write_all_at(&bytes, start)?;
        self.ends.push(start + u64::try_from(bytes.len()).map_err(io::Error::other)?);
        // The memory is used again.
        run.bytes.clear();
        run.rows.clear();
        self.newest = run;
        Ok(())
    }
}

impl NewestRun {
    fn bytes_of(&self, row: RowPlace) -> &[u8] {
        let place = |at: u32| usize::try_from(at).unwrap_or(usize::MAX);
        self.bytes.get(place(row.start)..place(row.end)).unwrap_or_default()
    }

    fn sort(&mut self) {
        if self.is_sorted {
            return;
        }
        let mut rows = std::mem::take(&mut self.rows);
        rows.sort_unstable_by(|left, right| self.bytes_of(*left).cmp(self.bytes_of(*right)));
        self.rows = rows;
        self.is_sorted = true;
    }
}

/// The merge of all runs.
pub(super) struct MergedRows<'r> {
    runs: Vec<RunRows<'r>>,
    /// The next row of each run that has one.
    heads: BinaryHeap<Reverse<(Vec<u8>, usize)>>,
    current: Option<(Vec<u8>, usize)>,
}

enum RunRows<'r> {
    Stored(StoredRun<'r>),
    /// With the number of its next row.
    Newest(&'r NewestRun, usize),
}

impl MergedRows<'_> {
    /// The next row.
    pub(super) fn next(&mut self) -> io::Result<Option<&[u8]>> {
        if let Some((used, run)) = self.current.take() {
            self.advance(run, used)?;
        }
        self.current = self.heads.pop().map(|Reverse(head)| head);
        Ok(self.current.as_ref().map(|(row, _)| row.as_slice()))
    }

    /// Moves the next row of a run to the heads, into memory that is no longer used.
    fn advance(&mut self, run: usize, mut used: Vec<u8>) -> io::Result<()> {
        used.clear();
        let has_row = match self.runs.get_mut(run) {
            Some(RunRows::Stored(stored)) => stored.next(&mut used)?,
            Some(RunRows::Newest(newest, next)) => {
                let row = newest.rows.get(*next);
                used.extend_from_slice(row.map_or(&[], |row| newest.bytes_of(*row)));
                *next += 1;
                row.is_some()
            }
            None => false,
        };
        self.heads.extend(has_row.then_some(Reverse((used, run))));
        Ok(())
    }
}

/// A run in the file, read page by page.
struct StoredRun<'r> {
    file: &'r File,
    /// The part of the run that is not in `page`.
    next: u64,
    end: u64,
    page: Vec<u8>,
    /// Where in `page` the next row begins.
    at: usize,
    ahead: usize,
}

impl<'r> StoredRun<'r> {
    fn new(file: &'r File, start: u64, end: u64, ahead: usize) -> Self {
        Self { file, next: start, end, page: Vec::new(), at: 0, ahead }
    }

    /// Appends the next row to `row`. `false` at the end.
    fn next(&mut self, row: &mut Vec<u8>) -> io::Result<bool> {
        if !self.has(LENGTH_BYTES)? {
            return Ok(false);
        }
        let cut_short = || io::Error::other("a row is cut short");
        let head = self.page.get(self.at..).and_then(|rest| rest.first_chunk());
        let length = u32::from_be_bytes(*head.ok_or_else(cut_short)?);
        let length = usize::try_from(length).map_err(io::Error::other)?;

        self.at += LENGTH_BYTES;
        if !self.has(length)? {
            return Err(cut_short());
        }
        let end = self.at + length;
        row.extend_from_slice(self.page.get(self.at..end).ok_or_else(cut_short)?);
        self.at = end;
        Ok(true)
    }

    /// Whether the page has so many more bytes; reads the next ones if need be.
    fn has(&mut self, count: usize) -> io::Result<bool> {
        if self.page.len() - self.at >= count {
            return Ok(true);
        }
        self.page.drain(..self.at);
        self.at = 0;
        let filled = self.page.len();
        let wanted = self.ahead.max(count) - filled;
        let left = usize::try_from(self.end - self.next).map_err(io::Error::other)?;
        let read = wanted.min(left);
        self.page.resize(filled + read, 0);
        let space = self.page.get_mut(filled..).unwrap_or_default();
        self.file.read_exact_at(space, self.next)?;
        self.next += u64::try_from(read).map_err(io::Error::other)?;
        Ok(self.page.len() >= count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_come_in_byte_order_from_memory_and_from_runs() {
        for count in [0_u32, 1, 1_000, 200_000] {
            let mut rows = SortedRows::new(tempfile::tempfile().unwrap());
            let key = |number: u32| format!("{:08}/", u64::from(number) * 7_919 % 200_003);
            for number in 0..count {
                // Of different lengths.
                let rest = vec![7; usize::try_from(number % 50).unwrap()];
                rows.add(key(number).as_bytes(), &rest).unwrap();
            }
            assert_eq!(rows.ends.len() > 2, count == 200_000, "{count}");
            let known = rows.begins_in_memory(key(3).as_bytes());
            assert_eq!(known, (count < 200_000).then_some(count > 3), "{count}");

            let mut expected: Vec<_> = (0..count)
                .map(|number| {
                    [key(number).as_bytes(), &vec![7; usize::try_from(number % 50).unwrap()]]
                        .concat()
                })
                .collect();
            expected.sort();
            // As often as wanted.
            for is_finished in [false, true] {
                if is_finished {
                    rows.finish().unwrap();
                }
                let (mut merged, mut found) = (rows.merged().unwrap(), Vec::new());
                while let Some(row) = merged.next().unwrap() {
                    found.push(row.to_vec());
                }
                assert!(found == expected, "{count}");
            }
        }
    }

    #[test]
    fn a_row_that_is_larger_than_what_is_read_ahead_is_whole() {
        let mut rows = SortedRows::new(tempfile::tempfile().unwrap());
        let large = vec![1; RUN_BYTES + 3];
        for row in [&large[..], b"b", &large, b"c"] {
            rows.add(row, b"!").unwrap();
        }
        let (mut merged, mut lengths) = (rows.merged().unwrap(), Vec::new());
        while let Some(row) = merged.next().unwrap() {
            lengths.push(row.len());
        }
        assert_eq!(lengths, [RUN_BYTES + 4, RUN_BYTES + 4, 2, 2]);
    }
}
