//! `kilwa relationship`: what a server stores.

mod bulk_delete;
mod bulk_export;
mod bulk_import;
mod delete_object;
mod filter_args;
mod read;
mod requirement_args;
mod set;
mod watch;
mod write;

use super::error::CliError;
use crate::cli::exit::Exit;
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
    /// Give a relation exactly the subjects that are named, all at once.
    Set(set::Arguments),
    /// Remove all relationships that name an object, as resource and as subject, all at once.
    DeleteObject(delete_object::Arguments),
    /// Follow what changes.
    Watch(watch::Arguments),
    /// Store the relationships of a file, one a line, all of them or none, however many there are.
    BulkImport(bulk_import::Arguments),
    /// List all relationships, or those that match, one a line, in the same order from every server that has the same.
    BulkExport(bulk_export::Arguments),
}

pub(super) fn run(command: &Command) -> Result<Exit, CliError> {
    match command {
        Command::Create(arguments) => write::run(UpdateOperation::Create, arguments),
        Command::Touch(arguments) => write::run(UpdateOperation::Touch, arguments),
        Command::Delete(arguments) => write::run(UpdateOperation::Delete, arguments),
        Command::Read(arguments) => read::run(arguments),
        Command::BulkDelete(arguments) => bulk_delete::run(arguments),
        Command::Set(arguments) => set::run(arguments),
        Command::DeleteObject(arguments) => delete_object::run(arguments),
        Command::Watch(arguments) => watch::run(arguments),
        Command::BulkImport(arguments) => bulk_import::run(arguments),
        Command::BulkExport(arguments) => bulk_export::run(arguments),
    }
}
