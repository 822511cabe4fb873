//! `kilwa relationship`: the relationships of a server.

mod bulk_delete;
mod bulk_export;
mod bulk_import;
mod delete_object;
mod filter_args;
mod follow;
mod history;
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
    /// Create relationships that do not exist yet.
    Create(write::Arguments),
    /// Create relationships, or replace caveat and expiration of existing ones.
    Touch(write::Arguments),
    /// Delete relationships.
    Delete(write::Arguments),
    /// List the relationships that match a filter.
    Read(read::Arguments),
    /// Delete all relationships that match a filter.
    BulkDelete(bulk_delete::Arguments),
    /// Set the subjects of a relation to exactly the given ones, atomically.
    Set(set::Arguments),
    /// Delete all relationships of an object, as resource and as subject, atomically.
    DeleteObject(delete_object::Arguments),
    /// Watch changes of relationships and schemas.
    Watch(watch::Arguments),
    /// List who changed which relationships and when, newest first, as far back as the server keeps the history.
    History(history::Arguments),
    /// Apply the changes of one server to another until interrupted, as when moving from SpiceDB.
    Follow(follow::Arguments),
    /// Create the relationships of a file of any size, one per line, atomically.
    BulkImport(bulk_import::Arguments),
    /// List all relationships, or those that match a filter, one per line, in an order that depends only on the data.
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
        Command::History(arguments) => history::run(arguments),
        Command::Follow(arguments) => follow::run(arguments),
        Command::BulkImport(arguments) => bulk_import::run(arguments),
        Command::BulkExport(arguments) => bulk_export::run(arguments),
    }
}
