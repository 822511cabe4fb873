//! Defaults of the flags.

use crate::config::Config;
use std::path::PathBuf;

/// The defaults of the flags: those of the library's options.
pub(super) fn defaults() -> Config {
    Config::new(PathBuf::new())
}
