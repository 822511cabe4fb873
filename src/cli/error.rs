//! Why a command could not be done.

use std::fmt::Display;
use std::io;

#[derive(Debug)]
pub(super) enum CliError {
    /// In one line, for whoever gave the command.
    Message(String),
    /// Whoever read the output has seen enough and is gone, as `head` does; there is nothing left to do.
    OutputClosed,
}

impl CliError {
    pub(super) fn new(message: impl Display) -> Self {
        Self::Message(message.to_string())
    }

    /// Standard output that could not be written to.
    pub(super) fn from_output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::OutputClosed;
        }
        Self::new(format!("standard output cannot be written: {error}"))
    }
}

/// Every error of the rooms below says in its own words what happened.
impl<E: std::error::Error> From<E> for CliError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}
