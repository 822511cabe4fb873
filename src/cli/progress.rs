//! How far a long command has come, on standard error; there is nothing to see unless that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

const OF_UNKNOWN_END: &str = "{spinner} {elapsed} {human_pos} {msg}, {per_sec}";
const OF_KNOWN_END: &str = "{bar:30} {percent}% {msg}, {binary_bytes_per_sec}, {eta} left";

/// Counts relationships, without knowing how many there will be.
pub(super) fn counting() -> ProgressBar {
    styled(ProgressBar::new_spinner(), OF_UNKNOWN_END).with_message("relationships")
}

/// Counts the bytes of a file of this size.
pub(super) fn reading(bytes: u64) -> ProgressBar {
    styled(ProgressBar::new(bytes), OF_KNOWN_END)
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
