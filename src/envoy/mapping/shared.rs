//! The mapping that applies now.

use super::read::{ExtAuthzMapping, read_mapping};
use crate::access::Callers;
use crate::settings_file::{SettingsFileError, SettingsMistake};
use arc_swap::ArcSwap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The mapping of a file, which can be read again.
#[derive(Debug)]
pub(in crate::envoy) struct SharedRules {
    file: PathBuf,
    callers: Option<Arc<Callers>>,
    current: ArcSwap<ExtAuthzMapping>,
}

impl SharedRules {
    /// The mapping of a file. `callers` knows the issuers whose tokens name subjects.
    pub(in crate::envoy) fn new(
        file: PathBuf,
        callers: Option<Arc<Callers>>,
    ) -> Result<Self, SettingsFileError> {
        let mapping = usable(&file, callers.as_deref())?;
        Ok(Self { file, callers, current: ArcSwap::from_pointee(mapping) })
    }

    /// The file.
    pub(in crate::envoy) fn file(&self) -> &Path {
        &self.file
    }

    /// The callers that the access file names.
    pub(in crate::envoy) fn callers(&self) -> Option<&Callers> {
        self.callers.as_deref()
    }

    /// Reads the file again. Without success everything stays as it is.
    pub(in crate::envoy) fn reload(&self) -> Result<(), SettingsFileError> {
        self.current.store(Arc::new(usable(&self.file, self.callers.as_deref())?));
        Ok(())
    }

    /// What applies now.
    pub(in crate::envoy) fn current(&self) -> Arc<ExtAuthzMapping> {
        self.current.load_full()
    }
}

/// The mapping of a file, if the access file has what it needs.
fn usable(path: &Path, callers: Option<&Callers>) -> Result<ExtAuthzMapping, SettingsFileError> {
    let mapping = read_mapping(path)?;
    let is_known = |name: &&str| callers.is_some_and(|callers| callers.has_issuer(name));
    match mapping.issuers().iter().find(|name| !is_known(name)) {
        None => Ok(mapping),
        Some(name) => {
            let message = format!(
                "a subject comes from tokens of the issuer `{name}`, which the access file (--access-file) does not have"
            );
            let mistakes = vec![SettingsMistake { line: 1, message }];
            Err(SettingsFileError::Mistakes { path: path.to_owned(), mistakes })
        }
    }
}
