//! Why a command could not be done.

use std::fmt::Display;
use std::io;

#[derive(Debug)]
pub(super) enum Failure {
    /// In one line, for whoever gave the command.
    Told(String),
    /// Whoever read the output has seen enough and is gone, as `head` does; there is nothing left to do.
    Unheard,
}

impl Failure {
    pub(super) fn new(message: impl Display) -> Self {
        Self::Told(message.to_string())
    }

    /// Standard output that could not be written to.
    pub(super) fn of_output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::Unheard;
        }
        Self::new(format!("standard output cannot be written: {error}"))
    }
}

/// Every error of the rooms below says in its own words what happened.
impl<E: std::error::Error> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}
