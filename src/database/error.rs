//! Why a request was not served.

use super::error_text::{first_message, key_of, precondition_text, removal_message, unmet_message};
use super::requirement::UnmetPermission;
use crate::engine::EngineError;
use crate::relationship::{
    Precondition, ReadError, Relationship, RelationshipFilter, Revision, Timestamp,
};
use crate::schema::removals::Removal;
use crate::schema::{RelationshipError, SchemaError, UnknownName};
use crate::store::{
    PrepareError, QueueFull, SnapshotError, SpillError, TimeError, TransactionError, WriteError,
    WriteFailure,
};

/// Why a request was not served. After any of these nothing has changed, but for [`DatabaseError::Commit`].
#[derive(Debug, thiserror::Error)]
pub enum DatabaseError {
    /// The revision asked for is no longer kept.
    #[error("revision {revision} is no longer kept: the oldest one is {oldest}")]
    RevisionExpired {
        /// The revision asked for.
        revision: Revision,
        /// The oldest one that can be read.
        oldest: Revision,
    },
    /// What expired since the time asked for is no longer known.
    #[error("what expired since {after} is no longer known: that goes back to {oldest}")]
    ExpirationsCollected {
        /// The time asked for.
        after: Timestamp,
        /// The oldest time after which every expiration is kept.
        oldest: Timestamp,
    },
    /// The revision asked for does not exist yet.
    #[error("revision {revision} does not exist yet: the newest one is {newest}")]
    RevisionFuture {
        /// The revision asked for.
        revision: Revision,
        /// The newest one.
        newest: Revision,
    },
    /// The time asked for lies outside of the history that is kept.
    #[error(transparent)]
    Time(TimeError),
    /// The new schema has faults.
    #[error("{}", first_message(.0))]
    Schema(SchemaError),
    /// The stored schema does not compile with this program.
    #[error("the schema of revision {revision} does not compile, write it anew: {reason}")]
    StoredSchema {
        /// The revision that wrote it.
        revision: Revision,
        /// The first fault.
        reason: String,
    },
    /// The new schema removes what relationships use, or what must never be removed.
    #[error("{}", removal_message(.removal, *.count, *.counted_all, .example.as_deref()))]
    SchemaRemoval {
        /// What would be removed.
        removal: Box<Removal>,
        /// How many relationships use it; 0 when it is forbidden whatever is stored.
        count: u64,
        /// Whether there are no more than `count`.
        counted_all: bool,
        /// One of them.
        example: Option<Box<Relationship>>,
    },
    /// A filter names a type or relation that the schema does not have.
    #[error(transparent)]
    UnknownName(#[from] UnknownName),
    /// A filter that must select something has no condition.
    #[error("the relationship filter provided is not valid: at least one field must be set")]
    EmptyFilter,
    /// A filter names a permission as the relation of the resource. No relationship can match it.
    #[error(
        "the relationship filter provided is not valid: cannot filter relationships by permission `{permission}` under definition `{definition}`; relationships exist only on relations, not permissions"
    )]
    FilterOnPermission {
        /// The definition.
        definition: String,
        /// The permission.
        permission: String,
    },
    /// The relation whose subjects are to be replaced is a permission.
    #[error(
        "cannot write a relationship to permission `{permission}` under definition `{definition}`"
    )]
    SetOfPermission {
        /// The definition.
        definition: String,
        /// The permission.
        permission: String,
    },
    /// The schema does not allow a relationship.
    #[error("{error}")]
    Relationship {
        /// The relationship.
        relationship: Box<Relationship>,
        /// Why it is not allowed.
        #[source]
        error: Box<RelationshipError>,
    },
    /// A write has too many updates.
    #[error("too many updates ({count}) in one write (maximum: {max})")]
    TooManyUpdates {
        /// The updates given.
        count: usize,
        /// The updates allowed.
        max: usize,
    },
    /// A write or deletion has too many preconditions.
    #[error("precondition count of {count} is greater than maximum allowed of {max}")]
    TooManyPreconditions {
        /// The preconditions given.
        count: usize,
        /// The preconditions allowed.
        max: usize,
    },
    /// The transaction's metadata is too large.
    #[error("metadata size of {bytes} is greater than maximum allowed of {max}")]
    MetadataTooLarge {
        /// The size as JSON.
        bytes: usize,
        /// The size allowed.
        max: usize,
    },
    /// Two updates of a write have the same key.
    #[error(
        "found more than one update with relationship `{}` in this request; a relationship can only be specified in an update once per overall request",
        key_of(.0)
    )]
    DuplicateUpdate(Box<Relationship>),
    /// A deletion's limit is too large.
    #[error("provided limit {limit} is greater than maximum allowed of {max}")]
    LimitTooLarge {
        /// The limit given.
        limit: u32,
        /// The limit allowed.
        max: u32,
    },
    /// A CREATE of a relationship that exists already.
    #[error(
        "could not CREATE relationship `{0}`, as it already existed. If this is persistent, please switch to TOUCH operations or specify a precondition"
    )]
    AlreadyExists(Box<Relationship>),
    /// A precondition does not hold.
    #[error("unable to satisfy write precondition `{}`", precondition_text(.0))]
    PreconditionFailed(Box<Precondition>),
    /// A write requires too many permissions.
    #[error("{count} required permissions are more than the {max} that one write may have")]
    TooManyPermissions {
        /// The permissions given.
        count: usize,
        /// The permissions allowed.
        max: usize,
    },
    /// A permission that a write requires is not held.
    #[error("{}", unmet_message(.0))]
    PermissionRequired(Box<UnmetPermission>),
    /// More relationships match a deletion than its limit allows, and it must be done at once.
    #[error(
        "found more than {limit} relationships to be deleted and partial deletion was not requested"
    )]
    TooManyToDelete {
        /// The limit given.
        limit: u32,
        /// The filter given.
        filter: Box<RelationshipFilter>,
    },
    /// There is a counter of this name.
    #[error("counter with name `{name}` already registered")]
    CounterRegistered {
        /// The name.
        name: String,
        /// The filter given.
        filter: Box<RelationshipFilter>,
    },
    /// There is no counter of this name.
    #[error("counter with name `{name}` not found")]
    CounterUnknown {
        /// The name.
        name: String,
    },
    /// The lookups in progress need all the memory of their budget.
    #[error(
        "the lookups in progress need more than {bytes_max} bytes together, which is the limit: try again later, or look up less at once"
    )]
    LookupsTooLarge {
        /// The bytes allowed.
        bytes_max: usize,
    },
    /// The evaluation failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The store cannot be read.
    #[error(transparent)]
    Read(ReadError),
    /// The system lacks a resource that a write needs. Nothing was changed.
    #[error("{reason}")]
    NoRoom {
        /// The missing resource, the amount needed, and the remedy.
        reason: String,
    },
    /// Relationships could not be written to disk. Nothing was changed.
    #[error("relationships cannot be written: {0}")]
    Write(WriteFailure),
    /// The write could not be committed. When the store has been opened again it is there whole or not at all.
    #[error("the write could not be committed: {0}")]
    Commit(WriteFailure),
    /// An earlier write could not be committed, so none is taken until the store has been opened again.
    #[error(
        "writes are refused until the data folder can be written again, because one could not be committed: {reason}"
    )]
    Stopped {
        /// What went wrong then, for the operator.
        reason: String,
    },
    /// The data folder is not the one that was opened, so a write would be lost. What is missing is in the server's log alone.
    #[error(
        "writes are refused, because the data folder of the server was removed or replaced; reads continue, and the server's \
         log says what to do"
    )]
    FolderLost,
    /// Too many writes wait already.
    #[error(transparent)]
    QueueFull(#[from] QueueFull),
    /// The imports in progress use all the disk space of their budget.
    #[error(
        "the imports in progress need more than {bytes_max} bytes of disk space together, which is the limit; import less at once, or try again later"
    )]
    ImportTooLarge {
        /// The bytes allowed.
        bytes_max: u64,
    },
    /// The maximum number of imports is in progress.
    #[error(
        "{imports_max} imports are in progress, which is the limit; try again when one has ended"
    )]
    TooManyImports {
        /// The imports allowed.
        imports_max: usize,
    },
    /// Data that the write depends on changed after each of its examinations.
    #[error(
        "the write could not be made, because what its preconditions or required permissions rest on keeps changing: try again"
    )]
    Contended,
    /// A fault in the program ended the write.
    #[error("the write was not made because of a fault in the server")]
    Fault,
    /// The handle is one that does not write.
    #[error("service read-only")]
    ReadOnly,
    /// The database is being closed.
    #[error("the database is closing")]
    Closed,
}

impl From<ReadError> for DatabaseError {
    fn from(error: ReadError) -> Self {
        if error.is_interrupted() || error.timed_out_after().is_some() {
            return Self::Engine(error.into());
        }
        Self::Read(error)
    }
}

impl From<SnapshotError> for DatabaseError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Expired { revision, oldest } => {
                Self::RevisionExpired { revision, oldest }
            }
            SnapshotError::Future { revision, newest } => Self::RevisionFuture { revision, newest },
            SnapshotError::Time { time, oldest } => Self::Time(TimeError::Expired { time, oldest }),
            SnapshotError::Read(error) => error.into(),
        }
    }
}

impl From<SpillError> for DatabaseError {
    fn from(error: SpillError) -> Self {
        match error {
            SpillError::Full { bytes_max } => Self::ImportTooLarge { bytes_max },
            SpillError::TooMany { imports_max } => Self::TooManyImports { imports_max },
            SpillError::NoRoom(shortage) => Self::NoRoom { reason: shortage.to_string() },
            SpillError::Write(failure) => Self::Write(failure),
            SpillError::Read(error) => error.into(),
        }
    }
}

impl From<PrepareError> for DatabaseError {
    fn from(error: PrepareError) -> Self {
        match error {
            PrepareError::Exists(existing) => Self::AlreadyExists(existing),
            PrepareError::Spill(error) => error.into(),
            PrepareError::Write(error) => error.into(),
        }
    }
}

impl From<TransactionError> for DatabaseError {
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Read(error) => error.into(),
            TransactionError::Write(failure) => Self::Write(failure),
            TransactionError::NoRoom(shortage) => Self::NoRoom { reason: shortage.to_string() },
            TransactionError::Interrupted => Self::Engine(EngineError::Interrupted),
        }
    }
}

impl From<TimeError> for DatabaseError {
    fn from(error: TimeError) -> Self {
        match error {
            TimeError::Expired { .. } | TimeError::Future { .. } => Self::Time(error),
            TimeError::Read(error) => error.into(),
        }
    }
}

impl<E: Into<Self>> From<WriteError<E>> for DatabaseError {
    fn from(error: WriteError<E>) -> Self {
        match error {
            WriteError::Refused(refusal) => refusal.into(),
            WriteError::NoRoom(shortage) => Self::NoRoom { reason: shortage.to_string() },
            WriteError::Commit(failure) => Self::Commit(failure),
            WriteError::Stopped { reason } => Self::Stopped { reason },
            WriteError::FolderLost { .. } => Self::FolderLost,
            WriteError::Interrupted => Self::Engine(EngineError::Interrupted),
            WriteError::Closed => Self::Closed,
            WriteError::ReadOnly => Self::ReadOnly,
        }
    }
}
