//! Errors of writes.

use super::failure::WriteFailure;
use super::resources::Shortage;
use crate::relationship::ReadError;
use crate::store::layout::corrupt_bytes::CorruptBytes;

/// A step of a transaction that failed. The work that gets one must return an error, so that the transaction is rolled
/// back.
#[derive(Debug, thiserror::Error)]
pub enum TransactionError {
    /// Stored data could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The changes could not be written to disk.
    #[error("relationships cannot be written: {0}")]
    Write(#[from] WriteFailure),
    /// The system has too little disk space or too few file descriptors for the rest of the write.
    #[error(transparent)]
    NoRoom(#[from] Shortage),
    /// The caller no longer waits for the write.
    #[error("the caller no longer waits for the write")]
    Interrupted,
}

impl From<CorruptBytes> for TransactionError {
    fn from(corrupt: CorruptBytes) -> Self {
        Self::Read(corrupt.into())
    }
}

impl From<TransactionError> for WriteFailure {
    /// For a step without which the state on disk is unknown, whatever the step failed for.
    fn from(error: TransactionError) -> Self {
        match error {
            TransactionError::Write(failure) => failure,
            TransactionError::Read(_)
            | TransactionError::NoRoom(_)
            | TransactionError::Interrupted => Self::io(error.to_string()),
        }
    }
}

/// A write that was not made.
#[derive(Debug, thiserror::Error)]
pub enum WriteError<E> {
    /// The work itself returned an error. Nothing was changed.
    #[error(transparent)]
    Refused(E),
    /// The commit failed. Once the store has been reopened, the write is there whole or not at all. Until then the store
    /// accepts no further write.
    #[error("the write could not be committed: {0}")]
    Commit(WriteFailure),
    /// An earlier commit failed, and its durable state is unknown until the store is reopened. Nothing was changed.
    #[error(
        "writes are refused until the store is reopened, because an earlier write could not be committed: {reason}"
    )]
    Stopped {
        /// Why the earlier commit failed, for the operator.
        reason: String,
    },
    /// The data folder is not the one that was opened, so a write would be lost. Nothing was changed.
    #[error("writes are refused, because the data folder is lost: {reason}")]
    FolderLost {
        /// What is missing or is another one, for the operator.
        reason: String,
    },
    /// The system has too little disk space or too few file descriptors for a write. Nothing was changed.
    #[error(transparent)]
    NoRoom(Shortage),
    /// The caller had stopped waiting when the write's turn came. Nothing was changed.
    #[error("the caller no longer waits for the write")]
    Interrupted,
    /// The store is being closed. Nothing was changed.
    #[error("the store is closing")]
    Closed,
    /// The handle is read-only.
    #[error("the store is read-only")]
    ReadOnly,
}
