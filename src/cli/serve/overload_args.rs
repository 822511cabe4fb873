//! Options of a server that refuse calls because of the load.

use super::defaults::defaults;
use crate::cli::duration;
use crate::config::Config;
use clap::Args;
use std::num::NonZero;
use std::time::Duration;

/// Protection against overload.
#[derive(Debug, Args)]
#[command(next_help_heading = "Overload")]
pub(in crate::cli) struct OverloadArgs {
    /// Mean time for which calls may wait before further calls are refused with `RESOURCE_EXHAUSTED` and a delay after
    /// which to try again; 0 to let all calls wait.
    #[arg(
        long,
        env = "KILWA_OVERLOAD_WAITING_TIME",
        default_value = duration::text(defaults().overload.waiting_max.unwrap_or_default()),
        value_parser = duration::parse,
        value_name = "DURATION"
    )]
    overload_waiting_time: Duration,
    /// Number of calls in progress up to which no call is refused because of the load.
    #[arg(
        long,
        env = "KILWA_OVERLOAD_MIN_CALLS",
        default_value = defaults().overload.calls_min.to_string(),
        value_name = "COUNT"
    )]
    overload_min_calls: NonZero<u32>,
    /// Maximum number of calls in progress with one key, watches excepted. [default: none]
    #[arg(long, env = "KILWA_MAX_CALLS_PER_KEY", value_name = "COUNT")]
    max_calls_per_key: Option<NonZero<u32>>,
}

impl OverloadArgs {
    /// Copies the options into a configuration.
    pub(in crate::cli) fn apply(&self, config: &mut Config) {
        config.overload.waiting_max =
            Some(self.overload_waiting_time).filter(|time| !time.is_zero());
        config.overload.calls_min = self.overload_min_calls;
        config.overload.calls_per_key_max = self.max_calls_per_key;
    }
}
