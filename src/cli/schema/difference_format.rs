//! How differences are printed.

use clap::ValueEnum;

/// The format of differences.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(super) enum DifferenceFormat {
    #[default]
    Text,
    Github,
    Junit,
}
