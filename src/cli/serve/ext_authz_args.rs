//! Options of `kilwa serve` for the external authorization of Envoy.

use crate::config::Config;
use clap::Args;
use std::path::PathBuf;

/// External authorization of Envoy.
#[derive(Debug, Args)]
#[command(next_help_heading = "Envoy")]
pub(super) struct ExtAuthzArgs {
    /// TOML file that maps requests of Envoy to checks. With it, `envoy.service.auth.v3.Authorization` is served beside the other
    /// gRPC services. A changed file is read without a restart; one with mistakes leaves the old state in use. `kilwa ext-authz check`
    /// checks it.
    #[arg(long, env = "KILWA_EXT_AUTHZ_FILE", value_name = "FILE")]
    ext_authz_file: Option<PathBuf>,
}

impl ExtAuthzArgs {
    /// Copies the options into a configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        config.ext_authz_file.clone_from(&self.ext_authz_file);
    }
}
