//! A temporary folder for the files of a store in memory.

use super::error::OpenError;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

/// A folder of its own for as long as it is used, empty at first.
#[derive(Debug)]
pub(in crate::store) struct ScratchFolder(PathBuf);

impl ScratchFolder {
    /// A new folder among the temporary ones, for its owner alone.
    pub(in crate::store) fn new() -> Result<Self, OpenError> {
        let above = std::env::temp_dir();
        let failed = |reason: String| OpenError::Io { path: above.clone(), reason };
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|error| failed(error.to_string()))?;
        let path = above.join(format!("kilwa-{:032x}", u128::from_be_bytes(name)));
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| failed(error.to_string()))?;
        Ok(Self(path))
    }

    pub(in crate::store) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for ScratchFolder {
    fn drop(&mut self) {
        // Files that cannot be removed are in the temporary folder, which the system cleans up.
        drop(fs::remove_dir_all(&self.0));
    }
}
