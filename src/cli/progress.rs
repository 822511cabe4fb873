//! Progress of long commands, on standard error if that is a terminal.

use indicatif::{ProgressBar, ProgressStyle};

const OF_UNKNOWN_END: &str = "{spinner} {elapsed} {human_pos} {msg}, {per_sec}";
const OF_KNOWN_END: &str = "{bar:30} {percent}% {msg}, {binary_bytes_per_sec}, {eta} left";

/// A counter of relationships whose total is unknown.
pub(super) fn counting() -> ProgressBar {
    styled(ProgressBar::new_spinner(), OF_UNKNOWN_END).with_message("relationships")
}

/// A progress bar for reading a file of this size.
pub(super) fn reading(bytes: u64) -> ProgressBar {
    styled(ProgressBar::new(bytes), OF_KNOWN_END)
}

fn styled(bar: ProgressBar, template: &str) -> ProgressBar {
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
