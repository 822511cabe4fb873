//! The progress of a backup or restore, in a small file beside the backup.

use crate::cli::error::CliError;
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

/// A file with the progress.
#[derive(Debug)]
pub(super) struct ResumeFile(PathBuf);

impl ResumeFile {
    /// The file beside `file` with this suffix.
    pub(super) fn beside(file: &Path, ending: &str) -> Self {
        let mut name = file.as_os_str().to_owned();
        name.push(ending);
        Self(PathBuf::from(name))
    }

    /// The path, for messages.
    pub(super) fn path(&self) -> String {
        self.0.display().to_string()
    }

    /// The saved progress, if there is any.
    pub(super) fn load<T: DeserializeOwned>(&self) -> Result<Option<T>, CliError> {
        match fs::read_to_string(&self.0) {
            Ok(text) => Ok(Some(serde_json::from_str(&text).map_err(|error| {
                CliError::new(format!("`{}` is damaged, remove it: {error}", self.path()))
            })?)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(self.unusable(&error)),
        }
    }

    /// Saves the progress atomically.
    pub(super) fn save(&self, state: &impl Serialize) -> Result<(), CliError> {
        let draft = self.0.with_extension("new");
        let text = serde_json::to_string(state)?;
        private(&draft)
            .and_then(|mut file| file.write_all(text.as_bytes()).and_then(|()| file.sync_all()))
            .and_then(|()| fs::rename(&draft, &self.0))
            .map_err(|error| self.unusable(&error))
    }

    /// Removes the file when the work is done.
    pub(super) fn remove(&self) -> Result<(), CliError> {
        match fs::remove_file(&self.0) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(self.unusable(&error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn unusable(&self, error: &std::io::Error) -> CliError {
        CliError::new(format!("`{}` cannot be used: {error}", self.path()))
    }
}

/// A new file that only its owner may read.
fn private(path: &Path) -> std::io::Result<File> {
    OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)
}
