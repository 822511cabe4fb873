//! Failures of the store.

use super::details::with_reason;
use crate::proto::authzed::api::v1::ErrorReason;
use crate::relationship::ReadError;
use crate::store::WriteFailure;
use tonic::{Code, Status};

pub(super) fn read_only(message: String) -> Status {
    with_reason(Code::Unavailable, ErrorReason::ServiceReadOnly, message, [])
}

/// The answer to a failed read. Reads that fail with UNAVAILABLE may be repeated.
pub(super) fn from_read(message: String, error: &ReadError) -> Status {
    if error.is_corrupt() {
        tracing::error!(reason = message, "stored data are corrupt");
        return Status::data_loss(message);
    }
    if error.is_not_cached() {
        tracing::error!(reason = message, "a read from memory was not repeated from disk");
        return Status::internal(message);
    }
    tracing::error!(reason = message, "the store cannot be read");
    Status::unavailable(message)
}

/// The answer to a failed write. It has no code with which clients repeat a call by themselves: after a failed commit the
/// write may have been made.
pub(super) fn from_write(message: String, failure: &WriteFailure) -> Status {
    match failure {
        WriteFailure::DiskFull { .. } => {
            tracing::error!(reason = message, "the disk of the data folder is full");
            Status::resource_exhausted(message)
        }
        WriteFailure::Io { .. } => {
            tracing::error!(reason = message, "a write failed");
            Status::internal(message)
        }
    }
}
