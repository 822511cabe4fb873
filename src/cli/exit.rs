//! Exit codes.

use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Exit {
    /// The command succeeded.
    #[default]
    Success,
    /// A negative result that counts as a failure: a failed assertion, a difference under `--error-on-difference`.
    Failure,
    /// An error: the command could not be carried out.
    Error,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::Failure => Self::from(1),
            Exit::Error => Self::from(2),
        }
    }
}
