//! The marker file `KILWA` of a data folder: its format and the id of its store.
//!
//! The id is chosen before RocksDB creates anything, and the marker says so until the first record is on disk. So a folder
//! whose marker is complete holds a store with that id, or is damaged; it is never taken for a new one.

use super::error::OpenError;
use crate::store::options::StoreId;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// The format that this program writes. Stands in the marker, which is read before RocksDB touches anything, and in
/// `meta`.
pub(in crate::store) const FORMAT: u32 = 3;
/// The oldest format that this program reads. Formats 1 and 2 are the same without prepared revisions, and format 1 also without
/// the names of writers in the change log.
const OLDEST_FORMAT: u32 = 1;
/// The name of the marker.
pub(in crate::store) const MARKER: &str = "KILWA";
/// The marker while it is being written.
pub(in crate::store) const MARKER_DRAFT: &str = "KILWA.new";
/// What stands before the format's number.
const FORMAT_TEXT: &str = "kilwa data folder, format ";
/// What stands before the store's id, 32 hexadecimal digits.
const STORE_TEXT: &str = "store ";
/// The last line until the store has its first record.
const CREATING_TEXT: &str = "creating";

/// The content of a marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Marker {
    /// The store is being created: nothing has been acknowledged.
    Creating(StoreId),
    /// There is a store with this id.
    Complete(StoreId),
    /// There is a store whose marker was written before markers carried an id.
    WithoutId,
}

impl Marker {
    /// The marker of a folder; `None` when there is no file.
    pub(in crate::store) fn read(dir: &Path) -> Result<Option<Self>, OpenError> {
        match fs::read(dir.join(MARKER)) {
            Ok(bytes) => Self::parse(dir, &String::from_utf8_lossy(&bytes)).map(Some),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(OpenError::Io { path: dir.into(), reason: error.to_string() }),
        }
    }

    fn parse(dir: &Path, text: &str) -> Result<Self, OpenError> {
        let damaged = |reason: String| OpenError::Damaged { path: dir.into(), reason };
        let mut lines = text.lines();
        let number = lines.next().and_then(|line| line.trim().strip_prefix(FORMAT_TEXT.trim()));
        require_format(dir, number.and_then(|number| number.trim().parse().ok()), MARKER)?;

        let Some(line) = lines.next() else { return Ok(Self::WithoutId) };
        let id = line.strip_prefix(STORE_TEXT).filter(|digits| digits.len() == 32);
        let id = id.and_then(|digits| u128::from_str_radix(digits, 16).ok());
        let id = id.ok_or_else(|| damaged(format!("`{MARKER}` does not name a store")))?;
        let id = StoreId(id.to_be_bytes());
        match (lines.next(), lines.next()) {
            (None, _) => Ok(Self::Complete(id)),
            (Some(CREATING_TEXT), None) => Ok(Self::Creating(id)),
            _ => Err(damaged(format!("`{MARKER}` does not end after the name of the store"))),
        }
    }

    /// Writes the marker so that it is there whole or not at all, also after a power loss.
    pub(in crate::store) fn write(self, dir: &Path) -> io::Result<()> {
        let draft = dir.join(MARKER_DRAFT);
        let mut options = OpenOptions::new();
        let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
        writeln!(file, "{FORMAT_TEXT}{FORMAT}")?;
        if let Self::Creating(id) | Self::Complete(id) = self {
            writeln!(file, "{STORE_TEXT}{}", id.hex())?;
        }
        if matches!(self, Self::Creating(_)) {
            writeln!(file, "{CREATING_TEXT}")?;
        }
        file.sync_all()?;

        fs::rename(&draft, dir.join(MARKER))?;
        File::open(dir)?.sync_all()
    }
}

/// Requires that the format that `source` names is one that this program knows.
pub(in crate::store) fn require_format(
    dir: &Path,
    found: Option<u32>,
    source: &str,
) -> Result<(), OpenError> {
    match found {
        Some(found) if found > FORMAT => {
            Err(OpenError::Newer { path: dir.into(), found, known: FORMAT })
        }
        Some(OLDEST_FORMAT..=FORMAT) => Ok(()),
        Some(_) | None => Err(OpenError::Damaged {
            path: dir.into(),
            reason: format!("`{source}` does not name a format"),
        }),
    }
}
