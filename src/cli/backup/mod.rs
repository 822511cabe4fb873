//! `kilwa backup`: schema and relationships of a server as one file, and back.

mod create;
mod format;
mod inspect;
mod redact;
mod restore;
mod resume_file;

use super::error::CliError;
use crate::cli::exit::Exit;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write schema and relationships of a server, as they are at one moment, to a file. Started again after a break, it
    /// goes on where it was.
    Create(create::Arguments),
    /// Write schema and relationships of a file to a server. Started again after a break, it goes on where it was.
    Restore(restore::Arguments),
    /// Look whether a file is complete and undamaged.
    Verify(inspect::Arguments),
    /// Print the schema of a file.
    ParseSchema(inspect::Arguments),
    /// Print the relationships of a file, one a line.
    ParseRelationships(inspect::Arguments),
    /// Write a file again without its object ids and caveat contexts, to be shown to others.
    Redact(redact::Arguments),
}

pub(super) fn run(command: &Command) -> Result<Exit, CliError> {
    match command {
        Command::Create(arguments) => create::run(arguments),
        Command::Restore(arguments) => restore::run(arguments),
        Command::Verify(arguments) => inspect::verify(arguments),
        Command::ParseSchema(arguments) => inspect::schema(arguments),
        Command::ParseRelationships(arguments) => inspect::relationships(arguments),
        Command::Redact(arguments) => redact::run(arguments),
    }
}
