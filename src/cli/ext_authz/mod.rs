//! `kilwa ext-authz`: the mapping file of Envoy's external authorization.

mod check;

use super::error::CliError;
use crate::cli::exit::Exit;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Check a mapping file, and print what each rule does.
    Check(check::Arguments),
}

pub(super) fn run(command: &Command) -> Result<Exit, CliError> {
    match command {
        Command::Check(arguments) => check::run(arguments),
    }
}
