//! Options of the overload protection.

use std::num::NonZero;
use std::time::Duration;

/// Which calls are refused because of the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OverloadOptions {
    /// The mean time for which calls may wait before the limit of calls in progress falls. `None` refuses no call for
    /// that reason.
    pub waiting_max: Option<Duration>,
    /// Calls in progress that are never refused for their number, however long they wait. More do not speed anything up,
    /// but a client with a modest number of calls should not have to handle refusals.
    pub calls_min: NonZero<u32>,
    /// The most calls in progress with one key. `None` for no limit of its own.
    pub calls_per_key_max: Option<NonZero<u32>>,
}

impl Default for OverloadOptions {
    fn default() -> Self {
        Self {
            waiting_max: Some(Duration::from_millis(5)),
            calls_min: NonZero::<u32>::MIN.saturating_add(63),
            calls_per_key_max: None,
        }
    }
}
