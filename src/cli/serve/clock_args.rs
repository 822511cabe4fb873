//! Options of `kilwa serve` for the clock.

use super::defaults::defaults;
use crate::cli::duration;
use crate::config::Config;
use clap::Args;
use std::time::Duration;

/// Limits on the clock.
#[derive(Debug, Args)]
pub(super) struct ClockArgs {
    /// Maximum time that the clock may be ahead of the last use of the data folder.
    #[arg(
        long,
        env = "KILWA_CLOCK_AHEAD_MAX",
        default_value = duration::text(defaults().clock_ahead_max),
        value_parser = duration::parse,
        value_name = "DURATION"
    )]
    clock_ahead_max: Duration,
    /// Start although the clock is further ahead: confirm that it is right and that the data folder was not in use for
    /// that long.
    #[arg(long)]
    accept_clock: bool,
}

impl ClockArgs {
    /// Copies the options into a configuration.
    pub(super) fn apply(&self, config: &mut Config) {
        config.clock_ahead_max = self.clock_ahead_max;
        config.accept_clock = self.accept_clock;
    }
}
