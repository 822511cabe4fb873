//! `kilwa relationship`: what a server stores.

mod bulk_delete;
mod filter;
mod read;
mod write;

use super::Exit;
use super::failure::Failure;
use crate::relationship::UpdateOperation;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Store relationships that do not exist yet.
    Create(write::Arguments),
    /// Store relationships, or replace caveat and expiration of those that exist.
    Touch(write::Arguments),
    /// Remove relationships.
    Delete(write::Arguments),
    /// List the relationships that match.
    Read(read::Arguments),
    /// Remove all relationships that match.
    BulkDelete(bulk_delete::Arguments),
}

pub(super) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Create(arguments) => write::run(UpdateOperation::Create, arguments),
        Command::Touch(arguments) => write::run(UpdateOperation::Touch, arguments),
        Command::Delete(arguments) => write::run(UpdateOperation::Delete, arguments),
        Command::Read(arguments) => read::run(arguments),
        Command::BulkDelete(arguments) => bulk_delete::run(arguments),
    }
}
