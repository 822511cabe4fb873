//! `kilwa permission`: permission checks and lookups.

mod answer_json;
mod bulk;
mod check;
mod expand;
mod list;
mod lookup_resources;
mod lookup_subjects;

use super::error::CliError;
use crate::cli::exit::Exit;
use clap::Subcommand;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Check whether a subject has a permission on a resource: prints true, false or caveated.
    Check(check::Arguments),
    /// List the permissions of a subject on a resource.
    List(list::Arguments),
    /// Run many checks at once.
    Bulk(bulk::Arguments),
    /// Show the subjects behind a permission of a resource, as a tree.
    Expand(expand::Arguments),
    /// List the resources on which a subject has a permission, ordered by id.
    LookupResources(lookup_resources::Arguments),
    /// List the subjects that have a permission on a resource.
    LookupSubjects(lookup_subjects::Arguments),
}

pub(super) fn run(command: &Command) -> Result<Exit, CliError> {
    match command {
        Command::Check(arguments) => check::run(arguments),
        Command::List(arguments) => list::run(arguments),
        Command::Bulk(arguments) => bulk::run(arguments),
        Command::Expand(arguments) => expand::run(arguments),
        Command::LookupResources(arguments) => lookup_resources::run(arguments),
        Command::LookupSubjects(arguments) => lookup_subjects::run(arguments),
    }
}
