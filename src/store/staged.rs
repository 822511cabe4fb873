//! Relationships that wait on disk until they are written.

use super::key_hashes::{self, HASH_BYTES, KeyHashes};
use super::keys::{NameId, RowKey};
use super::names::Names;
use super::room::{Reserve, Room, Shortage};
use super::snapshot::Snapshot;
use super::values;
use crate::relationship::{ReadError, Relationship};
use std::collections::HashSet;
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The folder of such files within the data folder.
pub(super) const FOLDER: &str = "staged";
const BUFFER_BYTES: usize = 256 << 10;
/// How many bytes tell the length of a row.
const LENGTH_BYTES: u64 = 4;
/// How many rows are read between two looks whether the caller still waits.
const ROWS_PER_LOOK: u64 = 1_000;
/// The most imports under way. Each takes up to two file descriptors for as long as its client sends.
const IMPORTS_MAX: usize = 24;

/// Relationships that wait on disk until [`Transaction::create_staged`](super::Transaction::create_staged) adds them to a
/// store, so that many of them take no memory and need not come at once. Dropped, they are gone, and so they are when
/// the process ends.
///
/// Each is a length (4 bytes, big endian), its key as in `live` and its terms, with numbers for names that count here
/// only.
pub struct Staged {
    file: BufWriter<File>,
    names: Names,
    hashes: KeyHashes,
    count: u64,
    space: SpillSpace,
    room: Option<Arc<Room>>,
}

/// Why a relationship cannot wait.
#[derive(Debug, thiserror::Error)]
pub enum StageError {
    /// All relationships that wait need more space than they may.
    #[error(
        "the imports under way need more than {bytes_max} bytes of disk space together, which is the limit; import less at once, or try again later"
    )]
    Full {
        /// The bytes allowed.
        bytes_max: u64,
    },
    /// Too many imports are under way.
    #[error(
        "{imports_max} imports are under way, which is the limit; try again when one has ended"
    )]
    TooMany {
        /// The imports allowed.
        imports_max: usize,
    },
    /// The system lacks what a write needs.
    #[error(transparent)]
    NoRoom(#[from] Shortage),
    /// The file cannot be used.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The space that all relationships that wait may take.
#[derive(Debug)]
pub(super) struct Spill {
    bytes_max: u64,
    used: AtomicU64,
    imports: AtomicUsize,
}

impl Spill {
    pub(super) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { bytes_max, used: AtomicU64::new(0), imports: AtomicUsize::new(0) })
    }
}

/// What one import has taken of it; given back when this is dropped.
struct SpillSpace {
    spill: Arc<Spill>,
    taken: u64,
}

impl SpillSpace {
    /// Nothing so far, for one more import.
    fn new(spill: &Arc<Spill>) -> Result<Self, StageError> {
        let before = spill.imports.fetch_add(1, Ordering::Relaxed);
        // Dropped on refusal, it takes back what was counted.
        let space = Self { spill: Arc::clone(spill), taken: 0 };
        if before >= IMPORTS_MAX {
            return Err(StageError::TooMany { imports_max: IMPORTS_MAX });
        }
        Ok(space)
    }

    fn take(&mut self, bytes: u64) -> Result<(), StageError> {
        let bytes_max = self.spill.bytes_max;
        let before = self.spill.used.fetch_add(bytes, Ordering::Relaxed);
        self.taken += bytes;
        if before.saturating_add(bytes) > bytes_max {
            return Err(StageError::Full { bytes_max });
        }
        Ok(())
    }
}

impl Drop for SpillSpace {
    fn drop(&mut self) {
        self.spill.used.fetch_sub(self.taken, Ordering::Relaxed);
        self.spill.imports.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Staged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Staged").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Staged {
    /// None so far, in a file of their own within the data folder.
    pub(super) fn new(
        dir: &Path,
        spill: &Arc<Spill>,
        room: Option<Arc<Room>>,
    ) -> Result<Self, StageError> {
        let space = SpillSpace::new(spill)?;
        let folder = dir.join(FOLDER);
        let file = nameless(&folder).map_err(unusable)?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        let hashes = KeyHashes::new(&folder);
        Ok(Self { file, names: Names::default(), hashes, count: 0, space, room })
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Adds one.
    pub fn add(&mut self, relationship: &Relationship) -> Result<(), StageError> {
        if let Some(room) = self.room.as_ref().filter(|_| self.count.is_multiple_of(ROWS_PER_LOOK))
        {
            room.require(Reserve::Full, BUFFER_BYTES)?;
        }

        let (resource, subject) = (relationship.resource_key(), relationship.subject.key());
        let subject_relation = match subject.relation {
            Some(relation) => Some(self.names.add(relation)?),
            None => None,
        };
        let row = RowKey {
            resource_type: self.names.add(resource.object_type)?,
            relation: self.names.add(resource.relation)?,
            resource_id: resource.object_id,
            subject_type: self.names.add(subject.object_type)?,
            subject_relation,
            subject_id: subject.object_id,
        };
        let caveat = match &relationship.caveat {
            Some(caveat) => Some((self.names.add(&caveat.name)?, &caveat.context)),
            None => None,
        };
        let terms = values::terms(caveat, relationship.expires_at);
        let key = row.by_resource();
        let length = u32::try_from(key.len() + terms.len()).map_err(ReadError::new)?;
        self.space.take(u64::from(length) + LENGTH_BYTES + HASH_BYTES)?;
        let written = self
            .file
            .write_all(&length.to_be_bytes())
            .and_then(|()| self.file.write_all(&key))
            .and_then(|()| self.file.write_all(&terms));
        written.and_then(|()| self.hashes.add(key_hashes::hash(&key))).map_err(unusable)?;
        self.count += 1;
        Ok(())
    }

    /// One that is there twice, if any. Gives up when `interrupted` says so.
    pub fn duplicate(
        &mut self,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Option<Relationship>, ReadError> {
        let suspects = self.hashes.duplicates(interrupted).map_err(unusable)?;
        if interrupted() {
            return Err(ReadError::interrupted());
        }
        if suspects.is_empty() {
            return Ok(None);
        }
        let (names, mut seen) = (self.names.clone(), HashSet::new());
        self.rows_while_wanted(interrupted, |row, terms| {
            let key = row.by_resource();
            let is_new = !suspects.contains(&key_hashes::hash(&key)) || seen.insert(key);
            if is_new {
                return Ok(None);
            }
            let terms = values::split_terms(terms, &names)?;
            Ok(Some(super::reads::relationship(&names, &row, terms)?))
        })
    }

    /// The first one whose key is taken in a snapshot, by a relationship that has expired or not.
    pub fn first_stored(
        &mut self,
        snapshot: &Snapshot<'_>,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Option<Relationship>, ReadError> {
        let names = self.names.clone();
        // Names that the store does not know get a number that none has.
        let id = |name| snapshot.names().find(name).unwrap_or(NameId(0));
        let ids: Vec<NameId> = names.texts().map(id).collect();
        self.rows_while_wanted(interrupted, |row, terms| {
            if !snapshot.stores(&row.renamed(&ids)?)? {
                return Ok(None);
            }
            let terms = values::split_terms(terms, &names)?;
            Ok(Some(super::reads::relationship(&names, &row, terms)?))
        })
    }

    /// Whether one with the key of this relationship is among them. To be called after [`Self::duplicate`].
    pub fn contains(&mut self, relationship: &Relationship) -> Result<bool, ReadError> {
        let Some(wanted) = self.key_of(relationship) else { return Ok(false) };
        if !self.hashes.contains(key_hashes::hash(&wanted)).map_err(unusable)? {
            return Ok(false);
        }
        let found = self.rows(|row, _| Ok((row.by_resource() == wanted).then_some(())))?;
        Ok(found.is_some())
    }

    /// The key of a relationship as it stands here; `None` when a name of it occurs nowhere.
    fn key_of(&self, relationship: &Relationship) -> Option<Vec<u8>> {
        let (resource, subject) = (relationship.resource_key(), relationship.subject.key());
        let subject_relation = match subject.relation {
            Some(relation) => Some(self.names.find(relation)?),
            None => None,
        };
        let row = RowKey {
            resource_type: self.names.find(resource.object_type)?,
            relation: self.names.find(resource.relation)?,
            resource_id: resource.object_id,
            subject_type: self.names.find(subject.object_type)?,
            subject_relation,
            subject_id: subject.object_id,
        };
        Some(row.by_resource())
    }

    /// Hands over the key and the terms of each, until something comes back or nobody waits any more.
    fn rows_while_wanted<T>(
        &mut self,
        interrupted: &dyn Fn() -> bool,
        mut take: impl FnMut(RowKey<'_>, &[u8]) -> Result<Option<T>, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        let mut count: u64 = 0;
        self.rows(|row, terms| {
            count += 1;
            if count.is_multiple_of(ROWS_PER_LOOK) && interrupted() {
                return Err(ReadError::interrupted());
            }
            take(row, terms)
        })
    }

    /// Hands over each of them, until something comes back or nobody waits any more.
    pub fn find<T>(
        &mut self,
        interrupted: &dyn Fn() -> bool,
        mut look: impl FnMut(Relationship) -> Option<T>,
    ) -> Result<Option<T>, ReadError> {
        let names = self.names.clone();
        self.rows_while_wanted(interrupted, |row, terms| {
            let terms = values::split_terms(terms, &names)?;
            Ok(look(super::reads::relationship(&names, &row, terms)?))
        })
    }

    /// The names whose numbers stand in the rows.
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    /// Hands over the key and the terms of each, until something comes back.
    pub(super) fn rows<T>(
        &mut self,
        mut take: impl FnMut(RowKey<'_>, &[u8]) -> Result<Option<T>, ReadError>,
    ) -> Result<Option<T>, ReadError> {
        self.file.flush().map_err(unusable)?;
        let file = self.file.get_mut();
        file.rewind().map_err(unusable)?;
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        let mut bytes = Vec::new();
        for _ in 0..self.count {
            let mut length = [0; 4];
            file.read_exact(&mut length).map_err(unusable)?;
            bytes.clear();
            let length = u64::from(u32::from_be_bytes(length));
            file.by_ref().take(length).read_to_end(&mut bytes).map_err(unusable)?;
            let (row, terms) = RowKey::start_of(&bytes)?;
            if let Some(found) = take(row, terms)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// Removes what a process left that ended at the wrong moment.
pub(super) fn clear(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir.join(FOLDER)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}

/// A file that has no name any more, so that its space is free as soon as nobody uses it, whatever becomes of the process.
pub(super) fn nameless(folder: &Path) -> io::Result<File> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(io::Error::other)?;
    let path = folder.join(format!("{:016x}", u64::from_be_bytes(random)));
    let mut options = OpenOptions::new();
    let file = options.read(true).write(true).create_new(true).mode(0o600).open(&path)?;
    fs::remove_file(&path)?;
    Ok(file)
}

/// The file cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("relationships that wait to be written cannot be kept: {0}")]
struct Unusable(io::Error);

fn unusable(error: io::Error) -> ReadError {
    ReadError::new(Unusable(error))
}
