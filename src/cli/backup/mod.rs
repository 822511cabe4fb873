//! `kilwa backup`: backup and restore of schema and relationships.

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
    /// Write schema and relationships of a server, at one revision, to a file. An interrupted backup is resumed by the
    /// same command.
    Create(create::Arguments),
    /// Write schema and relationships of a file to a server. An interrupted restore is resumed by the same command.
    Restore(restore::Arguments),
    /// Check that a file is complete and undamaged.
    Verify(inspect::Arguments),
    /// Print the schema of a file.
    ParseSchema(inspect::Arguments),
    /// Print the relationships of a file, one per line.
    ParseRelationships(inspect::Arguments),
    /// Copy a file with anonymized object ids and without caveat contexts.
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
