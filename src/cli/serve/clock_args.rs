//! What the clock of a server may show.

use crate::cli::duration;
use crate::config::Config;
use clap::Args;
use std::time::Duration;

/// How far the clock may be ahead.
#[derive(Debug, Args)]
pub(super) struct ClockArgs {
    /// How far the clock may be ahead of the time at which the data folder was last in use.
    #[arg(
        long,
        env = "KILWA_CLOCK_AHEAD_MAX",
        default_value = "168h",
        value_parser = duration::parse,
        value_name = "DURATION"
    )]
    clock_ahead_max: Duration,
    /// Start although the clock is further ahead than that: it is right, and the data folder was out of use so long.
    #[arg(long)]
    accept_clock: bool,
}

impl ClockArgs {
    /// Puts them into a config.
    pub(super) fn apply(&self, config: &mut Config) {
        config.clock_ahead_max = self.clock_ahead_max;
        config.accept_clock = self.accept_clock;
    }
}
