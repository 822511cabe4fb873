//! Why data could not be written to disk.

use std::io;

/// Data that could not be written to disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WriteFailure {
    /// The disk is full, or the disk quota of the server's user is used up.
    #[error("the disk of the data folder is full, free some space: {reason}")]
    DiskFull {
        /// The error of the system, for the operator.
        reason: String,
    },
    /// The system returned another error.
    #[error("{reason}")]
    Io {
        /// The error of the system, for the operator.
        reason: String,
    },
}

impl WriteFailure {
    /// A failure that is not a full disk.
    pub(in crate::store) fn io(reason: impl Into<String>) -> Self {
        Self::Io { reason: reason.into() }
    }
}

impl From<io::Error> for WriteFailure {
    fn from(error: io::Error) -> Self {
        let reason = error.to_string();
        if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) {
            Self::DiskFull { reason }
        } else {
            Self::Io { reason }
        }
    }
}
