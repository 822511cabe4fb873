//! Progress of long commands, on standard error if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

const OF_UNKNOWN_END: &str = "{spinner} {elapsed} {human_pos} {msg}, {per_sec}";
const OF_KNOWN_END: &str = "{bar:30} {percent}% {msg}, {binary_bytes_per_sec}, {eta} left";
const OF_PARTS: &str = "{bar:30} {percent}% {msg}";

/// A counter of relationships whose total is unknown.
pub(super) fn counting() -> ProgressBar {
    styled(ProgressBar::new_spinner(), OF_UNKNOWN_END).with_message("relationships")
}

/// A progress bar for reading a file of this size.
pub(super) fn reading(bytes: u64) -> ProgressBar {
    styled(ProgressBar::new(bytes), OF_KNOWN_END)
}

/// A progress bar for work in parts of different kinds; the message says which.
pub(super) fn parts() -> ProgressBar {
    styled(ProgressBar::no_length(), OF_PARTS)
}

/// A part of a whole in thousandths.
pub(super) fn thousandths(part: f64) -> u64 {
    u64::try_from(Duration::from_secs_f64(part.clamp(0.0, 1.0)).as_millis()).unwrap_or_default()
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
