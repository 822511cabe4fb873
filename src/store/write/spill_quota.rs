//! Limits of imports in progress: how many there may be, and how much disk space their spill files may use together.

use super::failure::WriteFailure;
use super::resources::Shortage;
use crate::relationship::ReadError;
use crate::store::layout::corrupt_bytes::CorruptBytes;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The most imports in progress. Each uses up to two file descriptors for as long as its client sends.
const IMPORTS_MAX: usize = 24;

/// A spill file that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum SpillError {
    /// The spill files of all imports need more space than they may.
    #[error(
        "the imports in progress need more than {bytes_max} bytes of disk space together, which is the limit: import less at once, or try again later"
    )]
    Full {
        /// The bytes allowed.
        bytes_max: u64,
    },
    /// Too many imports are in progress.
    #[error(
        "{imports_max} imports are in progress, which is the limit: try again when one has ended"
    )]
    TooMany {
        /// The imports allowed.
        imports_max: usize,
    },
    /// The system has too little disk space or too few file descriptors for a write.
    #[error(transparent)]
    NoRoom(#[from] Shortage),
    /// The file could not be written.
    #[error("relationships cannot be written: {0}")]
    Write(#[from] WriteFailure),
    /// The file, or the store that it is compared with, could not be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl SpillError {
    pub(super) fn from_write(error: io::Error) -> Self {
        Self::Write(error.into())
    }
}

impl From<CorruptBytes> for SpillError {
    fn from(corrupt: CorruptBytes) -> Self {
        Self::Read(corrupt.into())
    }
}

/// An error of reading a spill file back.
pub(super) fn unreadable(error: &io::Error) -> ReadError {
    ReadError::new(format!("the spill file of an import: {error}"))
}

/// The disk space that all spill files may use together, and how much of it is in use.
#[derive(Debug)]
pub(in crate::store) struct SpillQuota {
    bytes_max: u64,
    used: AtomicU64,
    imports: AtomicUsize,
}

impl SpillQuota {
    pub(in crate::store) fn new(bytes_max: u64) -> Arc<Self> {
        Arc::new(Self { bytes_max, used: AtomicU64::new(0), imports: AtomicUsize::new(0) })
    }
}

/// The share of one import in the quota; returned when this is dropped.
pub(super) struct SpillLease {
    quota: Arc<SpillQuota>,
    bytes: u64,
}

impl SpillLease {
    /// An empty share for one more import.
    pub(super) fn new(quota: &Arc<SpillQuota>) -> Result<Self, SpillError> {
        let imports_before = quota.imports.fetch_add(1, Ordering::Relaxed);
        // Counted before the check, so that two imports cannot both get the last share. Dropping the lease counts it back.
        let lease = Self { quota: Arc::clone(quota), bytes: 0 };
        if imports_before >= IMPORTS_MAX {
            return Err(SpillError::TooMany { imports_max: IMPORTS_MAX });
        }
        Ok(lease)
    }

    /// Adds bytes to the share.
    pub(super) fn grow(&mut self, bytes: u64) -> Result<(), SpillError> {
        let bytes_max = self.quota.bytes_max;
        let used_before = self.quota.used.fetch_add(bytes, Ordering::Relaxed);
        self.bytes += bytes;
        if used_before.saturating_add(bytes) > bytes_max {
            return Err(SpillError::Full { bytes_max });
        }
        Ok(())
    }
}

impl Drop for SpillLease {
    fn drop(&mut self) {
        self.quota.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.quota.imports.fetch_sub(1, Ordering::Relaxed);
    }
}
