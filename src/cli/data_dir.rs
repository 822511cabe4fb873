//! The data folder, and the key that a server leaves in it.

use crate::config::KEY_FILE;
use std::path::{Path, PathBuf};

/// Where data is kept when nothing else is said: the user's folder for application data.
pub(super) fn default_data_dir() -> PathBuf {
    let home = std::env::home_dir().unwrap_or_default();
    // Not configuration of ours but the system's word for where such folders are.
    let xdg = std::env::var_os("XDG_DATA_HOME").map(PathBuf::from).filter(|dir| dir.is_absolute());
    let base = if cfg!(target_os = "macos") {
        home.join("Library/Application Support")
    } else if cfg!(windows) {
        home.join("AppData").join("Local")
    } else {
        xdg.unwrap_or_else(|| home.join(".local/share"))
    };
    base.join("kilwa")
}

/// The key in a data folder, when there is one to be read.
pub(super) fn read_key(data_dir: &Path) -> Option<String> {
    let key = std::fs::read_to_string(data_dir.join(KEY_FILE)).ok()?;
    let key = key.trim();
    (!key.is_empty()).then(|| key.to_owned())
}
