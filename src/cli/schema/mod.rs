//! `kilwa schema`: schemas on a server and in files.

mod format;
mod remote;

use super::Exit;
use super::failure::Failure;
use clap::Subcommand;
pub(super) use remote::text;
use std::path::Path;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum Command {
    /// Print the schema of a server.
    Read(remote::ReadArguments),
    /// Replace the schema of a server.
    Write(remote::WriteArguments),
    /// Compile schema files and look for doubtful places.
    Check(super::validate::SchemaArguments),
    /// Print schema files in their canonical form.
    Format(format::Arguments),
}

/// Reads files by their paths from the folder of `file`.
fn beside(file: &Path) -> impl Fn(&str) -> Result<String, String> {
    let folder = file.parent().unwrap_or(Path::new(""));
    move |path| std::fs::read_to_string(folder.join(path)).map_err(|error| error.to_string())
}

pub(super) fn run(command: &Command) -> Result<Exit, Failure> {
    match command {
        Command::Read(arguments) => remote::read(arguments),
        Command::Write(arguments) => remote::write(arguments),
        Command::Check(arguments) => super::validate::check_schemas(arguments),
        Command::Format(arguments) => format::run(arguments),
    }
}
