//! Errors of RocksDB as errors of the store.

use crate::relationship::ReadError;
use crate::store::open::error::OpenError;
use crate::store::write::failure::WriteFailure;
use rocksdb::ErrorKind;
use std::path::Path;

/// Texts with which the system says that a disk, or a quota of it, is full.
const DISK_FULL: [&str; 2] = ["No space left on device", "Disk quota exceeded"];

/// An error of opening the database of the data folder `dir`.
pub(in crate::store) fn open_error(dir: &Path, error: &rocksdb::Error) -> OpenError {
    let (path, reason) = (dir.to_path_buf(), error.to_string());
    if reason.contains("lock file") || reason.contains("lock hold") {
        return OpenError::Locked { path };
    }
    if is_damage(error) {
        return OpenError::Damaged { path, reason };
    }
    OpenError::Io { path, reason }
}

/// An error of a read.
pub(in crate::store) fn read_error(error: rocksdb::Error) -> ReadError {
    // The status of a read that was limited to the caches and found nothing there.
    if error.kind() == ErrorKind::Incomplete {
        return ReadError::not_cached();
    }
    if is_damage(&error) { ReadError::corrupt(error) } else { ReadError::new(error) }
}

/// An error of a write or a commit.
pub(in crate::store) fn write_failure(error: rocksdb::Error) -> WriteFailure {
    let reason = String::from(error);
    if DISK_FULL.iter().any(|text| reason.contains(text)) {
        WriteFailure::DiskFull { reason }
    } else {
        WriteFailure::Io { reason }
    }
}

/// Whether the error shows damaged files. A missing file is damage too: RocksDB opens no file that it has not created.
fn is_damage(error: &rocksdb::Error) -> bool {
    error.kind() == ErrorKind::Corruption
        || error.kind() == ErrorKind::IOError && error.as_ref().contains("No such file")
}
