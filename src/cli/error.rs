//! Errors of commands.

use std::fmt::Display;
use std::io;

#[derive(Debug)]
pub(super) enum CliError {
    /// A message for the user, in one line.
    Message(String),
    /// The reader of standard output has closed it, as `head` does. Not an error.
    OutputClosed,
}

impl CliError {
    pub(super) fn new(message: impl Display) -> Self {
        Self::Message(message.to_string())
    }

    /// The same with a remark at its end.
    pub(super) fn with_remark(self, remark: &str) -> Self {
        match self {
            Self::Message(message) => Self::Message(format!("{message}; {remark}")),
            Self::OutputClosed => self,
        }
    }

    /// The error of a failed write to standard output.
    pub(super) fn from_output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::OutputClosed;
        }
        Self::new(format!("standard output cannot be written: {error}"))
    }
}

/// Errors of the lower modules carry messages for users.
impl<E: std::error::Error> From<E> for CliError {
    fn from(error: E) -> Self {
        Self::new(error)
    }
}
