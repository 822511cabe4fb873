//! `kilwa auth`: keys and roles.

mod check;
mod hash;

use super::error::CliError;
use crate::cli::exit::Exit;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check an access file, and print what each key and certificate may do.
    Check(check::Arguments),
    /// Print the hash of a key for an access file. The key is read from standard input.
    Hash(hash::Arguments),
}

pub(super) fn run(command: &Command) -> Result<Exit, CliError> {
    match command {
        Command::Check(arguments) => check::run(arguments),
        Command::Hash(arguments) => hash::run(arguments),
    }
}
