//! Relationships that wait on disk until they are written.

use super::keys::RowKey;
use super::names::Names;
use super::values;
use crate::relationship::{ReadError, Relationship};
use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufReader, BufWriter, ErrorKind, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::Path;

/// The folder of such files within the data folder.
pub(super) const FOLDER: &str = "staged";
const BUFFER_BYTES: usize = 256 << 10;

/// Relationships that wait on disk until [`Transaction::create_staged`](super::Transaction::create_staged) adds them to a
/// store, so that many of them take no memory and need not come at once. Dropped, they are gone, and so they are when
/// the process ends.
///
/// Each is a length (4 bytes, big endian), its key as in `live` and its terms, with numbers for names that count here
/// only.
pub struct Staged {
    file: BufWriter<File>,
    names: Names,
    count: u64,
}

impl std::fmt::Debug for Staged {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Staged").field("count", &self.count).finish_non_exhaustive()
    }
}

impl Staged {
    /// None so far, in a file of their own within the data folder.
    pub(super) fn new(dir: &Path) -> Result<Self, ReadError> {
        let file = nameless(&dir.join(FOLDER)).map_err(unusable)?;
        let file = BufWriter::with_capacity(BUFFER_BYTES, file);
        Ok(Self { file, names: Names::default(), count: 0 })
    }

    /// How many there are.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// Adds one.
    pub fn add(&mut self, relationship: &Relationship) -> Result<(), ReadError> {
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
        let written = self
            .file
            .write_all(&length.to_be_bytes())
            .and_then(|()| self.file.write_all(&key))
            .and_then(|()| self.file.write_all(&terms));
        written.map_err(unusable)?;
        self.count += 1;
        Ok(())
    }

    /// Hands over each of them, until something comes back.
    pub fn find<T>(
        &mut self,
        mut look: impl FnMut(Relationship) -> Option<T>,
    ) -> Result<Option<T>, ReadError> {
        let names = self.names.clone();
        self.rows(|row, terms| {
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
fn nameless(folder: &Path) -> io::Result<File> {
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
