//! Hashes of the keys of an import, sorted on disk, so that duplicates are found without keeping the keys in memory.
//!
//! The hashes are sorted in runs that fit into memory, as they come. Merging the runs finds hashes that occur twice;
//! a binary search in each run finds out whether one occurs at all.

use crate::store::unnamed_file::unnamed_file;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashSet};
use std::fs::File;
use std::hash::{DefaultHasher, Hasher as _};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

/// The bytes of a hash on disk.
pub(in crate::store) const HASH_BYTES: u64 = 8;
/// How many hashes a run has: 2 MiB of memory.
const RUN_LEN: usize = 256 << 10;
/// How many hashes of a run are read at a time.
const PAGE_LEN: u64 = 4 << 10;
/// How many hashes are sorted or merged between two checks that the caller still waits.
const HASHES_PER_CHECK: usize = 8 << 10;
/// The most hashes that are given as duplicates. Two different keys rarely share a hash, so that among a few a real
/// duplicate is found.
const DUPLICATES_MAX: usize = 10_000;

/// Sorted hashes.
pub(in crate::store) struct KeyHashes {
    folder: PathBuf,
    /// Those of the run in the making, not sorted yet.
    newest: Vec<u64>,
    /// Made with the first complete run.
    file: Option<File>,
    /// How many hashes each complete run has.
    runs: Vec<u64>,
}

/// The hash of a key.
pub(in crate::store) fn hash(key: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(key);
    hasher.finish()
}

impl KeyHashes {
    /// None so far; what does not fit into memory goes to a file in `folder`.
    pub(in crate::store) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), newest: Vec::new(), file: None, runs: Vec::new() }
    }

    pub(in crate::store) fn add(&mut self, hash: u64) -> io::Result<()> {
        self.newest.push(hash);
        if self.newest.len() < RUN_LEN {
            return Ok(());
        }
        let full = std::mem::take(&mut self.newest);
        self.write_run(full)
    }

    /// Hashes that occur more than once: all of them, or as many as show that there are duplicates. They are incomplete
    /// when `interrupted` says that the caller no longer waits.
    pub(in crate::store) fn duplicates(
        &mut self,
        interrupted: &dyn Fn() -> bool,
    ) -> io::Result<HashSet<u64>> {
        // In runs of their own, each sorted in a short time: they are the last ones, so that there are few of them.
        while !self.newest.is_empty() {
            if interrupted() {
                return Ok(HashSet::new());
            }
            let rest = self.newest.len().saturating_sub(HASHES_PER_CHECK);
            let part = self.newest.split_off(rest);
            self.write_run(part)?;
        }
        let mut runs: Vec<HashRun<'_>> = Vec::new();
        let mut start = 0;
        for len in &self.runs {
            runs.extend(self.file.as_ref().map(|file| HashRun::new(file, start, *len)));
            start += len;
        }

        let mut heads = BinaryHeap::new();
        for (number, run) in runs.iter_mut().enumerate() {
            heads.extend(run.next()?.map(|hash| Reverse((hash, number))));
        }
        let (mut found, mut last) = (HashSet::new(), None);
        let mut count = 0_usize;
        while let Some(Reverse((hash, number))) = heads.pop() {
            if last == Some(hash) {
                found.insert(hash);
            }
            last = Some(hash);
            count += 1;
            let is_wanted = !count.is_multiple_of(HASHES_PER_CHECK) || !interrupted();
            if !is_wanted || found.len() >= DUPLICATES_MAX {
                break;
            }
            let next = match runs.get_mut(number) {
                Some(run) => run.next()?,
                None => None,
            };
            heads.extend(next.map(|hash| Reverse((hash, number))));
        }
        Ok(found)
    }

    /// Whether a hash occurs. To be called after [`Self::duplicates`].
    pub(in crate::store) fn contains(&self, hash: u64) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(self.newest.contains(&hash)) };
        let mut start = 0;
        for len in &self.runs {
            let (mut low, mut high) = (start, start + len);
            while low < high {
                let middle = low.midpoint(high);
                let mut bytes = [0; 8];
                file.read_exact_at(&mut bytes, middle * HASH_BYTES)?;
                match u64::from_be_bytes(bytes).cmp(&hash) {
                    std::cmp::Ordering::Equal => return Ok(true),
                    std::cmp::Ordering::Less => low = middle + 1,
                    std::cmp::Ordering::Greater => high = middle,
                }
            }
            start += len;
        }
        Ok(self.newest.contains(&hash))
    }

    fn write_run(&mut self, mut hashes: Vec<u64>) -> io::Result<()> {
        let file = match self.file.take() {
            Some(file) => file,
            None => unnamed_file(&self.folder)?,
        };

        hashes.sort_unstable();
        let mut writer = BufWriter::new(&file);
        for hash in &hashes {
            writer.write_all(&hash.to_be_bytes())?;
        }
        writer.flush()?;
        drop(writer);

        self.file = Some(file);
        self.runs.push(u64::try_from(hashes.len()).unwrap_or(u64::MAX));
        Ok(())
    }
}

/// A run that is read from its start to its end.
struct HashRun<'f> {
    file: &'f File,
    /// The number in the file of the next hash that is not in the page, and the end of the run.
    next: u64,
    end: u64,
    /// In reverse order.
    page: Vec<u64>,
}

impl<'f> HashRun<'f> {
    fn new(file: &'f File, start: u64, len: u64) -> Self {
        Self { file, next: start, end: start + len, page: Vec::new() }
    }

    fn next(&mut self) -> io::Result<Option<u64>> {
        if self.page.is_empty() && self.next < self.end {
            let len = (self.end - self.next).min(PAGE_LEN);
            let bytes = usize::try_from(len * HASH_BYTES).unwrap_or_default();
            let mut bytes = vec![0; bytes];
            self.file.read_exact_at(&mut bytes, self.next * HASH_BYTES)?;
            let (hashes, _) = bytes.as_chunks::<8>();
            self.page = hashes.iter().rev().map(|hash| u64::from_be_bytes(*hash)).collect();
            self.next += len;
        }
        Ok(self.page.pop())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tempfile::TempDir;

    #[test]
    fn duplicates_are_found_across_runs_and_others_are_not() {
        let dir = TempDir::new().unwrap();
        let mut hashes = KeyHashes::new(dir.path());
        let count = 2 * u64::try_from(RUN_LEN).unwrap() + 10;
        for number in 0..count {
            hashes.add(hash(&number.to_be_bytes())).unwrap();
        }
        assert!(hashes.duplicates(&|| false).unwrap().is_empty());
        let first = hash(&0_u64.to_be_bytes());
        assert!(hashes.contains(first).unwrap());
        assert!(!hashes.contains(hash(b"another")).unwrap());
        hashes.add(first).unwrap();
        assert_eq!(hashes.duplicates(&|| false).unwrap(), HashSet::from([first]));
    }

    #[test]
    fn no_hash_is_sorted_or_merged_for_a_caller_that_has_gone() {
        let dir = TempDir::new().unwrap();
        let parts = 10;
        let filled = || {
            let mut hashes = KeyHashes::new(dir.path());
            for number in 0..parts * HASHES_PER_CHECK {
                hashes.add(hash(&number.to_be_bytes())).unwrap();
            }
            hashes
        };

        // Once for each part that is sorted, and once for each that is merged.
        for patience in [0, 1, parts - 1, parts, 2 * parts - 1, usize::MAX] {
            let (mut hashes, looks) = (filled(), Cell::new(0_usize));
            let interrupted = || {
                looks.set(looks.get() + 1);
                looks.get() > patience
            };
            assert!(hashes.duplicates(&interrupted).unwrap().is_empty());
            assert_eq!(looks.get(), patience.saturating_add(1).min(2 * parts), "{patience}");
            // Sorted is what was asked for, and nothing after that.
            assert_eq!(hashes.runs.len(), patience.min(parts), "{patience}");
        }
    }
}
