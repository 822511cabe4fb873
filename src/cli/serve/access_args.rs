//! Options of `kilwa serve` for callers: keys and roles.

use crate::config::Config;
use clap::Args;
use std::env;
use std::path::PathBuf;

const KEY_FLAG: &str = "--grpc-preshared-key";

/// Keys, certificates and roles.
#[derive(Debug, Args)]
#[command(next_help_heading = "Access")]
pub(super) struct AccessArgs {
    /// TOML file with keys, client certificates and roles. A changed file is read without a restart; one with mistakes
    /// leaves the old state in use. `kilwa auth check` checks it.
    #[arg(long, env = "KILWA_ACCESS_FILE", visible_alias = "keys-file", value_name = "FILE")]
    access_file: Option<PathBuf>,
}

impl AccessArgs {
    /// Copies the options into a configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        config.access_file.clone_from(&self.access_file);
    }

    /// Warns of keys on the command line, which every user of this machine can read.
    #[expect(clippy::unused_self, reason = "the warning belongs to these options")]
    pub(super) fn warn_of_shown_keys(&self) {
        if has_shown_keys() {
            tracing::warn!(
                "a key on the command line can be read in the process list: give it in KILWA_GRPC_PRESHARED_KEY, or its hash in \
                 the file of --access-file"
            );
        }
    }
}

/// Whether the command line of this process has a key.
pub(super) fn has_shown_keys() -> bool {
    let is_shown = |argument: std::ffi::OsString| {
        argument.to_str().is_some_and(|text| text.starts_with(KEY_FLAG))
    };
    env::args_os().any(is_shown)
}
