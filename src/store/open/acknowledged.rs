//! The file `acknowledged` of a data folder: the newest revision whose write was acknowledged.
//!
//! RocksDB's log cannot show that its last records are missing: a log that was cut between two records, or deleted, looks
//! complete. So each synced commit also overwrites this small file, after the commit and before its answers. The file is
//! not synced with each commit, which would double the cost: it outlives the process in any case, and after a power loss it
//! may be older than the log, but never newer. When the store is closed it is synced.

use crate::relationship::Revision;
use crate::store::options::StoreId;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The name of the file.
pub(in crate::store) const ACKNOWLEDGED: &str = "acknowledged";

/// The content of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum AcknowledgedState {
    /// There is none, as in folders of older programs.
    Missing,
    /// It is damaged, or belongs to another store.
    Invalid,
    /// The newest acknowledged revision.
    UpTo(Revision),
}

/// The file, open for the writer.
#[derive(Debug)]
pub(in crate::store) struct Acknowledged {
    file: File,
    id: StoreId,
}

impl Acknowledged {
    /// Reads the file of a store.
    pub(in crate::store) fn read(dir: &Path, id: Option<StoreId>) -> io::Result<AcknowledgedState> {
        let text = match fs::read_to_string(dir.join(ACKNOWLEDGED)) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(AcknowledgedState::Missing);
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                return Ok(AcknowledgedState::Invalid);
            }
            Err(error) => return Err(error),
        };
        Ok(parse(&text, id).map_or(AcknowledgedState::Invalid, AcknowledgedState::UpTo))
    }

    /// Opens the file, or creates it, and records a revision durably.
    pub(in crate::store) fn open(dir: &Path, id: StoreId, revision: Revision) -> io::Result<Self> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(dir.join(ACKNOWLEDGED))?;
        file.set_len(0)?;
        let acknowledged = Self { file, id };
        acknowledged.write(revision)?;
        acknowledged.file.sync_all()?;
        File::open(dir)?.sync_all()?;
        Ok(acknowledged)
    }

    /// Records that writes up to a revision are on disk.
    pub(in crate::store) fn advance(&self, revision: Revision) {
        // The write itself is on disk. Without this record only the check at the next start is weaker.
        drop(self.write(revision));
    }

    fn write(&self, revision: Revision) -> io::Result<()> {
        self.file.write_all_at(text(self.id, revision).as_bytes(), 0)
    }
}

impl Drop for Acknowledged {
    fn drop(&mut self) {
        // As above: what fails here weakens a check, and loses nothing.
        drop(self.file.sync_data());
    }
}

/// Always of one length, so that it is overwritten in place.
fn text(id: StoreId, revision: Revision) -> String {
    let said = format!("store {}, acknowledged up to revision {:020}", id.hex(), revision.0);
    format!("{said}, checksum {:08x}\n", crc32c::crc32c(said.as_bytes()))
}

fn parse(found: &str, id: Option<StoreId>) -> Option<Revision> {
    let (_, rest) = found.split_once("up to revision ")?;
    let revision = Revision(rest.get(..20)?.parse().ok()?);
    let (_, rest) = found.split_once("store ")?;
    let found_id = u128::from_str_radix(rest.get(..32)?, 16).ok()?;
    let found_id = StoreId(found_id.to_be_bytes());
    let is_own = id.is_none_or(|id| id == found_id);
    (is_own && text(found_id, revision) == found).then_some(revision)
}
