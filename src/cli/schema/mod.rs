//! `kilwa schema`: schemas on a server and in files.

mod copy;
mod diff;
mod difference;
mod format;
mod reflect;
mod remote;

use super::failure::Failure;
use super::{Exit, data, lines};
use crate::schema::{self, Diagnostic, Schema};
use clap::Subcommand;
pub(super) use remote::require_content;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Print the schema of a server.
    Read(remote::ReadArguments),
    /// Replace the schema of a server.
    Write(remote::WriteArguments),
    /// Print the structure of a server's schema: definitions, relations, permissions, caveats.
    Reflect(reflect::Arguments),
    /// Tell what is different between two schema files, or between the schema of a server and a file.
    Diff(diff::Arguments),
    /// Write the schema of one server to another.
    Copy(copy::Arguments),
    /// Compile schema files and look for doubtful places.
    Check(super::validate::SchemaArguments),
    /// Format schema files, or check that they are formatted.
    Format(format::Arguments),
}

/// The schema of a file, with what it imports, or what is wrong with it.
fn compiled(path: &Path) -> Result<Result<Schema, Vec<Diagnostic>>, Failure> {
    let text = lines::read_text(path)?;
    let name = data::name(path);
    Ok(schema::compile_named(&name, &text, Some(&data::beside(path))))
}

pub(super) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Read(arguments) => remote::read(arguments),
        Command::Write(arguments) => remote::write(arguments),
        Command::Reflect(arguments) => reflect::run(arguments),
        Command::Diff(arguments) => diff::run(arguments),
        Command::Copy(arguments) => copy::run(arguments),
        Command::Check(arguments) => super::validate::check_schemas(arguments),
        Command::Format(arguments) => format::run(arguments),
    }
}
