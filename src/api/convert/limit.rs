//! Result limits.

use crate::api::status;
use tonic::Status;

/// The limit that a request sets, where 0 means none.
pub(super) fn result_limit(provided: u32, maximum: u32) -> Result<Option<u32>, Status> {
    if provided > maximum {
        return Err(status::limit_too_large(provided, maximum));
    }
    Ok((provided > 0).then_some(provided))
}
