//! Column families.

use crate::relationship::ReadError;
use crate::store::write::failure::WriteFailure;
use rocksdb::TransactionDB;

/// The database. Its transactions lock what they write; no lock is ever contended, because there is one writer. The kind of
/// database that looks for conflicts at the commit instead takes 45 MB of memory for each database, and time to fill them.
pub(in crate::store) type Db = TransactionDB;

/// A column family; `layout::keys` describes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum ColumnFamily {
    Meta,
    Live,
    LiveBySubject,
    Deleted,
    DeletedBySubject,
    Expiring,
    Changes,
    Schema,
}

/// A column family that the database does not have.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the column family `{0}` is missing")]
pub(in crate::store) struct MissingColumnFamily(&'static str);

impl ColumnFamily {
    pub(in crate::store) const ALL: [Self; 8] = [
        Self::Meta,
        Self::Live,
        Self::LiveBySubject,
        Self::Deleted,
        Self::DeletedBySubject,
        Self::Expiring,
        Self::Changes,
        Self::Schema,
    ];

    /// Its name in the database. Part of the storage format.
    pub(in crate::store) fn name(self) -> &'static str {
        match self {
            Self::Meta => "meta",
            Self::Live => "live",
            Self::LiveBySubject => "live_by_subject",
            Self::Deleted => "dead",
            Self::DeletedBySubject => "dead_by_subject",
            Self::Expiring => "expiring",
            Self::Changes => "changes",
            Self::Schema => "schema",
        }
    }

    /// The handle of this family in a database.
    pub(in crate::store) fn handle(
        self,
        db: &Db,
    ) -> Result<&rocksdb::ColumnFamily, MissingColumnFamily> {
        db.cf_handle(self.name()).ok_or(MissingColumnFamily(self.name()))
    }
}

impl From<MissingColumnFamily> for ReadError {
    fn from(missing: MissingColumnFamily) -> Self {
        Self::corrupt(missing)
    }
}

impl From<MissingColumnFamily> for WriteFailure {
    fn from(missing: MissingColumnFamily) -> Self {
        Self::io(missing.to_string())
    }
}
