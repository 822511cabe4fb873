//! The data folder, and the key of the server in it.

use crate::config::KEY_FILE;
use std::path::{Path, PathBuf};

/// The default data folder, in the user's folder for application data.
pub(super) fn default_data_dir() -> PathBuf {
    let home = std::env::home_dir().unwrap_or_default();
    // A convention of the system for such folders, not a setting of Kilwa.
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

/// The key in a data folder, if there is one and it can be read.
pub(super) fn read_key(data_dir: &Path) -> Option<String> {
    let key = std::fs::read_to_string(data_dir.join(KEY_FILE)).ok()?;
    let key = key.trim();
    (!key.is_empty()).then(|| key.to_owned())
}
