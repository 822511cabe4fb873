//! The table files of each column family by level, as RocksDB's manifest has them.
//!
//! RocksDB has them as properties of a column family too, which the `rocksdb` crate gives for the default family of a database with
//! transactions alone, and that is empty here.
//!
//! Facts about the format: `CURRENT` has the name of the manifest, which is a log file whose records are version edits. An edit is a
//! sequence of fields, each with a tag before it (a variable-length integer). Tags from 8192 on that a reader does not know are
//! followed by a text with its length, and can be skipped.

use super::column_family::ColumnFamily;
use crate::store::open::log_scan;
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

/// The levels of a column family.
const LEVELS: [&str; 7] = ["0", "1", "2", "3", "4", "5", "6"];
/// A manifest is read no further than this: a scrape must not take long.
const MANIFEST_BYTES_MAX: u64 = 64 << 20;

/// The table files of a column family on one level.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LevelFiles {
    /// The name of the column family.
    pub family: &'static str,
    /// The level: from 0, to which memory is flushed, to 6.
    pub level: &'static str,
    /// How many files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// The levels of a database, as they were when its manifest was read last.
#[derive(Debug, Default)]
pub(super) struct LevelReader(Mutex<Option<ReadManifest>>);

#[derive(Debug)]
struct ReadManifest {
    name: String,
    bytes: u64,
    levels: Vec<LevelFiles>,
}

impl LevelReader {
    /// The files of each column family on each level. None where the manifest cannot be read, or is of a form that is not known.
    pub(super) fn read(&self, database: &Path) -> Vec<LevelFiles> {
        let Some((name, bytes)) = manifest(database) else { return Vec::new() };
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(read) = &*last
            && (&read.name, read.bytes) == (&name, bytes)
        {
            return read.levels.clone();
        }
        let levels = read(&database.join(&name)).unwrap_or_default();
        *last = Some(ReadManifest { name, bytes, levels: levels.clone() });
        levels
    }
}

/// The name and the length of the present manifest.
fn manifest(database: &Path) -> Option<(String, u64)> {
    let name = fs::read_to_string(database.join("CURRENT")).ok()?;
    let name = name.trim_end().to_owned();
    let bytes = fs::metadata(database.join(&name)).ok()?.len();
    (bytes <= MANIFEST_BYTES_MAX).then_some((name, bytes))
}

fn read(manifest: &Path) -> Option<Vec<LevelFiles>> {
    let mut version = Version::default();
    let mut is_known = true;
    // A record at the end that is being written is left out.
    log_scan::scan(manifest, |record| is_known &= version.apply(record).is_some()).ok()?;
    is_known.then(|| version.levels())
}

/// The files of a database, by what version edits have said.
#[derive(Debug, Default)]
struct Version {
    families: BTreeMap<u64, Vec<u8>>,
    /// Level and bytes, by the numbers of the column family and of the file.
    files: BTreeMap<(u64, u64), (u64, u64)>,
}

impl Version {
    /// Applies an edit. `None` when it has a field that is not known.
    fn apply(&mut self, mut rest: &[u8]) -> Option<()> {
        let (mut family, mut name, mut is_dropped) = (0, None, false);
        let (mut deleted, mut added) = (Vec::new(), Vec::new());
        while !rest.is_empty() {
            match varint(&mut rest)? {
                // Numbers of logs, of the next file, of sequences, of the largest family; the rest of an atomic group.
                2 | 3 | 4 | 9 | 10 | 203 | 300 => {
                    varint(&mut rest)?;
                }
                // The comparator.
                1 => {
                    slice(&mut rest)?;
                }
                // Where a compaction stands.
                5 => {
                    varint(&mut rest)?;
                    slice(&mut rest)?;
                }
                6 => {
                    varint(&mut rest)?;
                    deleted.push(varint(&mut rest)?);
                }
                103 => added.push(new_file(&mut rest)?),
                200 => family = varint(&mut rest)?,
                201 => name = Some(slice(&mut rest)?.to_vec()),
                202 => is_dropped = true,
                tag if tag & 1 << 13 != 0 => {
                    slice(&mut rest)?;
                }
                _ => return None,
            }
        }

        if let Some(name) = name {
            self.families.insert(family, name);
        }
        if is_dropped {
            self.families.remove(&family);
        }
        for file in deleted {
            self.files.remove(&(family, file));
        }
        // After those that are deleted: a file that moves to another level is both.
        for (file, level, bytes) in added {
            self.files.insert((family, file), (level, bytes));
        }
        Some(())
    }

    fn levels(&self) -> Vec<LevelFiles> {
        let of_family = |family: ColumnFamily| {
            let name = family.name();
            let mut levels: Vec<_> = LEVELS
                .iter()
                .map(|level| LevelFiles { family: name, level, files: 0, bytes: 0 })
                .collect();
            let number = self.families.iter().find(|(_, found)| *found == name.as_bytes());
            let files =
                self.files.iter().filter(|((of, _), _)| Some(of) == number.map(|(it, _)| it));
            for (_, (level, bytes)) in files {
                let level = usize::try_from(*level).ok().and_then(|level| levels.get_mut(level));
                if let Some(level) = level {
                    level.files += 1;
                    level.bytes += bytes;
                }
            }
            levels
        };
        ColumnFamily::ALL.into_iter().flat_map(of_family).collect()
    }
}

/// The number, the level and the bytes of a file that an edit adds.
fn new_file(rest: &mut &[u8]) -> Option<(u64, u64, u64)> {
    let (level, number, bytes) = (varint(rest)?, varint(rest)?, varint(rest)?);
    // Its first and its last key, and their sequence numbers.
    slice(rest)?;
    slice(rest)?;
    varint(rest)?;
    varint(rest)?;
    // Other fields, up to the one that ends them.
    while varint(rest)? != 1 {
        slice(rest)?;
    }
    Some((number, level, bytes))
}

/// A 64-bit integer in groups of 7 bits, the lowest first.
fn varint(rest: &mut &[u8]) -> Option<u64> {
    let mut value = 0_u64;
    for shift in (0..64).step_by(7) {
        let (byte, after) = rest.split_first()?;
        *rest = after;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// A text with its length before it.
fn slice<'b>(rest: &mut &'b [u8]) -> Option<&'b [u8]> {
    let length = usize::try_from(varint(rest)?).ok()?;
    let (text, after) = rest.split_at_checked(length)?;
    *rest = after;
    Some(text)
}
