//! `kilwa backup`: schema and relationships of a server as one file, and back.

mod create;
mod file;
mod look;
mod redact;
mod restore;
mod state;

use super::Exit;
use super::failure::Failure;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write schema and relationships of a server, as they are at one moment, to a file. Started again after a break, it
    /// goes on where it was.
    Create(create::Arguments),
    /// Write schema and relationships of a file to a server. Started again after a break, it goes on where it was.
    Restore(restore::Arguments),
    /// Look whether a file is complete and undamaged.
    Verify(look::Arguments),
    /// Print the schema of a file.
    ParseSchema(look::Arguments),
    /// Print the relationships of a file, one a line.
    ParseRelationships(look::Arguments),
    /// Write a file again without its object ids and caveat contexts, to be shown to others.
    Redact(redact::Arguments),
}

pub(super) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Create(arguments) => create::run(arguments),
        Command::Restore(arguments) => restore::run(arguments),
        Command::Verify(arguments) => look::verify(arguments),
        Command::ParseSchema(arguments) => look::schema(arguments),
        Command::ParseRelationships(arguments) => look::relationships(arguments),
        Command::Redact(arguments) => redact::run(arguments),
    }
}
