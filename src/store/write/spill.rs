//! Spill file of an import: relationships that wait on disk until they are written.

use super::resources::{Reserve, SystemResources};
use super::sorted_rows::{LENGTH_BYTES, SortedRows};
use super::spill_quota::{SpillError, SpillLease, SpillQuota, unreadable};
use crate::relationship::{ReadError, Relationship};
use crate::store::layout::corrupt_bytes::CorruptBytes;
use crate::store::layout::keys::{NameId, RowKey};
use crate::store::layout::names::NameCatalog;
use crate::store::layout::values;
use crate::store::read::decode;
use crate::store::read::snapshot::Snapshot;
use crate::store::unnamed_file::unnamed_file;
use crate::store::write::failure::WriteFailure;
use std::fmt;
use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::Arc;

/// The folder of spill files within the data folder.
pub(in crate::store) const FOLDER: &str = "staged";
/// How much space must be free beside the reserve while rows are added.
const ROOM_BYTES: usize = 256 << 10;
/// How many rows are read between two checks that the caller still waits.
const ROWS_PER_CHECK: u64 = 1_000;

/// Relationships that wait on disk until [`Transaction::create_from_spill`](crate::store::Transaction::create_from_spill)
/// adds them to a store. They take little memory, and the client may send them slowly. The file is deleted when this is dropped
/// and when the process ends.
///
/// A row is its key as in `live`, and its qualifiers. Names have numbers that count in this file alone. The rows come back in
/// the order of their keys.
pub struct SpillFile {
    rows: SortedRows,
    names: NameCatalog,
    count: u64,
    /// The bytes of all rows.
    bytes: u64,
    lease: SpillLease,
    resources: Option<Arc<SystemResources>>,
}

impl fmt::Debug for SpillFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpillFile").field("count", &self.count).finish_non_exhaustive()
    }
}

impl SpillFile {
    /// An empty file in the data folder `dir`.
    pub(in crate::store) fn new(
        dir: &Path,
        quota: &Arc<SpillQuota>,
        resources: Option<Arc<SystemResources>>,
    ) -> Result<Self, SpillError> {
        let lease = SpillLease::new(quota)?;
        let folder = dir.join(FOLDER);
        let file = unnamed_file(&folder).map_err(SpillError::from_write)?;
        let (rows, names) = (SortedRows::new(file), NameCatalog::default());
        Ok(Self { rows, names, count: 0, bytes: 0, lease, resources })
    }

    /// How many relationships the file has.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// How many bytes its relationships take.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Adds a relationship.
    pub fn add(&mut self, relationship: &Relationship) -> Result<(), SpillError> {
        if let Some(resources) = &self.resources
            && self.count.is_multiple_of(ROWS_PER_CHECK)
        {
            resources.require(Reserve::Full, ROOM_BYTES)?;
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

        let (key, qualifiers) =
            (row.by_resource(), values::qualifiers(caveat, relationship.expires_at));
        let length = u64::try_from(key.len() + qualifiers.len())
            .map_err(|error| WriteFailure::io(error.to_string()))?;
        self.lease.grow(length + u64::try_from(LENGTH_BYTES).unwrap_or_default())?;
        self.rows.add(&key, &qualifiers).map_err(SpillError::from_write)?;
        self.count += 1;
        self.bytes += length;
        Ok(())
    }

    /// Writes what is left in memory, if not all fits there. No more relationships are added after that.
    pub(in crate::store) fn finish(&mut self) -> Result<(), SpillError> {
        self.rows.finish().map_err(SpillError::from_write)
    }

    /// A relationship whose key occurs twice in the file, if there is one.
    pub fn duplicate(
        &mut self,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Option<Relationship>, SpillError> {
        let (names, mut last) = (self.names.clone(), None);
        self.rows_while_wanted(interrupted, |row, qualifiers| {
            let key = Some(row.by_resource());
            if last == key {
                let qualifiers = values::decode_qualifiers(qualifiers, &names)?;
                return Ok(Some(decode::relationship(&names, &row, qualifiers)?));
            }
            last = key;
            Ok(None)
        })
    }

    /// The first relationship whose key a snapshot stores, expired or not.
    pub fn first_stored(
        &mut self,
        snapshot: &Snapshot<'_>,
    ) -> Result<Option<Relationship>, SpillError> {
        let interrupted = snapshot.interrupted();
        let names = self.names.clone();
        // A name that the store does not know gets a number that no name has.
        let id = |name| snapshot.names().find(name).unwrap_or(NameId(0));
        let ids: Vec<NameId> = names.texts().map(id).collect();

        self.rows_while_wanted(interrupted, |row, qualifiers| {
            if !snapshot.stores(&row.renamed(&ids)?)? {
                return Ok(None);
            }
            let qualifiers = values::decode_qualifiers(qualifiers, &names)?;
            Ok(Some(decode::relationship(&names, &row, qualifiers)?))
        })
    }

    /// Whether the file has a relationship with the key of this one. Of many rows it may read all.
    pub fn contains(&mut self, relationship: &Relationship) -> Result<bool, SpillError> {
        let Some(wanted) = self.key_of(relationship) else { return Ok(false) };
        if let Some(known) = self.rows.begins_in_memory(&wanted) {
            return Ok(known);
        }
        let found =
            self.rows(|row, _| Ok::<_, SpillError>((row.by_resource() == wanted).then_some(())))?;
        Ok(found.is_some())
    }

    /// The key of a relationship in this file; `None` when the file does not have one of its names.
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

    /// Calls `visit` with each relationship until it returns something, which is the result.
    pub fn find<T>(
        &mut self,
        interrupted: &dyn Fn() -> bool,
        mut visit: impl FnMut(Relationship) -> Option<T>,
    ) -> Result<Option<T>, SpillError> {
        let names = self.names.clone();
        self.rows_while_wanted(interrupted, |row, qualifiers| {
            let qualifiers = values::decode_qualifiers(qualifiers, &names)?;
            Ok(visit(decode::relationship(&names, &row, qualifiers)?))
        })
    }

    /// Like [`Self::rows`] for as long as the caller waits.
    fn rows_while_wanted<T>(
        &mut self,
        interrupted: &dyn Fn() -> bool,
        mut visit: impl FnMut(RowKey<'_>, &[u8]) -> Result<Option<T>, SpillError>,
    ) -> Result<Option<T>, SpillError> {
        let mut count: u64 = 0;
        self.rows(|row, qualifiers| {
            count += 1;
            if count.is_multiple_of(ROWS_PER_CHECK) && interrupted() {
                return Err(ReadError::interrupted().into());
            }
            visit(row, qualifiers)
        })
    }

    /// The names to which the numbers in the rows refer.
    pub(in crate::store) fn names(&self) -> &NameCatalog {
        &self.names
    }

    /// Calls `visit` with the key and the qualifiers of each row, in the order of the keys, until it returns something, which
    /// is the result.
    pub(in crate::store) fn rows<T, E>(
        &mut self,
        mut visit: impl FnMut(RowKey<'_>, &[u8]) -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E>
    where
        E: From<WriteFailure> + From<ReadError> + From<CorruptBytes>,
    {
        self.rows.finish().map_err(WriteFailure::from)?;
        let mut rows = self.rows.merged().map_err(|error| unreadable(&error))?;
        while let Some(row) = rows.next().map_err(|error| unreadable(&error))? {
            let (row, qualifiers) = RowKey::start_of(row)?;
            if let Some(found) = visit(row, qualifiers)? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }
}

/// Removes spill files of a process that ended while it created them.
pub(in crate::store) fn clear(dir: &Path) -> io::Result<()> {
    match fs::remove_dir_all(dir.join(FOLDER)) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        done => done,
    }
}
