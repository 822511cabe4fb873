//! The only place that prints.
//!
//! Texts come in with their styles; these reach a terminal and are taken out elsewhere, or everywhere when `NO_COLOR`
//! is set.

use super::Exit;
use anstyle::{AnsiColor, Style};
use std::fmt::Display;
use std::io::Write;

pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const STRONG: Style = Style::new().bold();

/// A text in a style.
pub(super) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints to standard output. A reader that has gone away is no fault of ours.
pub(super) fn out(text: &str) {
    drop(anstream::stdout().lock().write_all(text.as_bytes()));
}

/// Prints a remark to standard error.
pub(super) fn note(text: &str) {
    drop(writeln!(anstream::stderr().lock(), "{text}"));
}

/// Prints why something could not be done.
pub(super) fn error(message: impl Display) -> Exit {
    note(&format!("{} {message}", styled(BAD, "error:")));
    Exit::Unusable
}

/// Prints what clap has to say: help and version to standard output, wrong usage to standard error.
pub(super) fn usage(message: &clap::Error) -> Exit {
    drop(message.print());
    if message.use_stderr() { Exit::Unusable } else { Exit::Success }
}
