//! The error of bytes that were not written like this.

use crate::relationship::ReadError;

/// Stored bytes that cannot be what this program wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("stored bytes are corrupt: {0}")]
pub(in crate::store) struct CorruptBytes(pub(in crate::store) &'static str);

impl From<CorruptBytes> for ReadError {
    fn from(corrupt: CorruptBytes) -> Self {
        Self::corrupt(corrupt.0)
    }
}
