//! `kilwa schema`: schemas on a server and in files.

mod change_row;
mod copy;
mod diff;
mod difference_format;
mod dry_run;
mod format;
mod github;
mod junit;
mod layout_diff;
mod read_write;
mod reflect;
mod schema_pair;
mod unusable;

use super::error::CliError;
use crate::cli::exit::Exit;
use clap::Subcommand;
pub(super) use read_write::require_content;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Print the schema of a server.
    Read(read_write::ReadArguments),
    /// Replace the schema of a server.
    Write(read_write::WriteArguments),
    /// Print the structure of a server's schema: definitions, relations, permissions, caveats.
    Reflect(reflect::Arguments),
    /// Compare two schema files, or the schema of a server with a file, and mark breaking changes.
    Diff(diff::Arguments),
    /// Copy the schema of one server to another.
    Copy(copy::Arguments),
    /// Compile schema files and report errors and lint warnings.
    Check(super::validate::SchemaArguments),
    /// Format schema files, or check that they are formatted.
    Format(format::Arguments),
}

pub(super) fn run(command: &Command) -> Result<Exit, CliError> {
    match command {
        Command::Read(arguments) => read_write::read(arguments),
        Command::Write(arguments) => read_write::write(arguments),
        Command::Reflect(arguments) => reflect::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Copy(arguments) => copy::run(arguments),
        Command::Check(arguments) => super::validate::check_schemas(arguments),
        Command::Format(arguments) => format::run(arguments),
    }
}
