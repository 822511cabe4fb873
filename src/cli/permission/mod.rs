//! `kilwa permission`: questions to a server.

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
    /// Ask whether a subject has a permission on a resource: prints true, false or caveated.
    Check(check::Arguments),
    /// Ask which permissions a subject has on a resource, all in one call.
    List(list::Arguments),
    /// Ask many questions at once.
    Bulk(bulk::Arguments),
    /// Show of which subjects a permission of a resource is made up, as a tree.
    Expand(expand::Arguments),
    /// List the resources on which a subject has a permission, in order of their ids.
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
