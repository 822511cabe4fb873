//! The command line: one file a command; `render` alone prints.
//!
//! Exit codes are the same everywhere: 0 for success, 1 for a "no" that was asked to count as failure (an assertion
//! that does not hold, a warning under `--fail-on-warn`), 2 for what could not be done at all. A server that a signal ended
//! at once ends with 128 plus the signal's number.

mod backup;
mod boolean;
mod bulk_touch;
mod clock;
mod completions;
mod consistency_args;
mod data_dir;
mod duration;
mod error;
mod exit;
mod explanation_json;
mod health;
mod import;
mod input_lines;
mod man;
mod permission;
mod progress;
mod relationship;
mod render;
mod schema;
mod serve;
mod serve_testing;
mod server_args;
mod snippet;
mod source_files;
mod spicedb;
mod time_args;
mod tree;
mod validate;
mod version;

use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use error::CliError;
use exit::Exit;
use std::env;
use std::ffi::OsString;
use std::process::ExitCode;

const EXIT_CODES: &str = "\
Exit codes: 0 for success, 1 for an assertion that does not hold or another answer that was asked to count as \
failure, 2 for what could not be done. A server that a signal ended at once, because it was the second one or came \
before the server was ready: 128 plus the signal's number.

Commands that speak to a server on this machine find its key by themselves; for others set KILWA_ENDPOINT and \
KILWA_TOKEN.";

const COMING_FROM_SPICEDB: &str = "\
Flags and SPICEDB_ variables of `spicedb serve` are read too: docs/from-spicedb.md says what each does here.";

/// A relationship-based permission engine that speaks authzed.api.v1.
#[derive(Debug, Parser)]
#[command(
    name = "kilwa",
    version,
    max_term_width = 100,
    after_help = EXIT_CODES
)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run a server.
    #[command(after_help = COMING_FROM_SPICEDB)]
    Serve(Box<serve::Arguments>),
    /// Run a server for tests: each key has a database of its own, in memory.
    ServeTesting(Box<serve_testing::Arguments>),
    /// Check validation files and schemas: do all assertions and expected relations hold?
    Validate(validate::Arguments),
    /// Read, write, check and format schemas.
    #[command(subcommand)]
    Schema(schema::Command),
    /// Read and write the relationships of a server.
    #[command(subcommand)]
    Relationship(relationship::Command),
    /// Ask a server who may do what.
    #[command(subcommand)]
    Permission(permission::Command),
    /// Write the schema and the relationships of a validation file, or a schema, to a server.
    Import(import::Arguments),
    /// Schema and relationships of a server as a file, and back.
    #[command(subcommand)]
    Backup(backup::Command),
    /// Check whether a server serves requests; exit code 1 if it does not.
    Health(health::Arguments),
    /// Print the version of this program, and of a server.
    Version(version::Arguments),
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
    /// Write the manual pages.
    Man(man::Arguments),
}

/// Runs the command that the arguments name, the program's own name first.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = arguments.into_iter().collect();
    let exit = match spicedb::adopt(arguments, Arguments::command(), env::vars_os()) {
        Ok(adopted) => parse_and_run(adopted).unwrap_or_else(render::failure),
        Err(sentences) => sentences.iter().map(render::error).max().unwrap_or_default(),
    };
    exit.into()
}

fn parse_and_run(mut adopted: spicedb::AdoptedCommand) -> Result<Exit, CliError> {
    let given = adopted.arguments.clone();
    let parsed = adopted.command.try_get_matches_from_mut(&given).and_then(|matches| {
        let arguments = Arguments::from_arg_matches(&matches)?;
        Ok((arguments, matches))
    });
    match parsed {
        Ok((arguments, matches)) => {
            let notes = adopted.notes(&matches)?;
            command(arguments.command, &notes)
        }
        Err(error) => Ok(refused(&error, &adopted)),
    }
}

/// Says why a command line cannot be used, or prints the help that was asked for.
fn refused(error: &clap::Error, adopted: &spicedb::AdoptedCommand) -> Exit {
    if let Some(sentence) = spicedb::explain(error, &adopted.command) {
        return render::error(sentence);
    }
    let exit = render::usage(error);
    if let Some(name) = spicedb::source_variable(error, &adopted.command, &adopted.arguments) {
        render::note(&format!("the value comes from the variable {name}"));
    }
    exit
}

fn command(command: Command, notes: &spicedb::AdoptionNotes) -> Result<Exit, CliError> {
    match command {
        Command::Serve(arguments) => serve::run(&arguments, notes),
        Command::ServeTesting(arguments) => serve_testing::run(&arguments, notes),
        Command::Validate(arguments) => validate::run(&arguments),
        Command::Schema(command) => schema::run(&command),
        Command::Relationship(command) => relationship::run(&command),
        Command::Permission(command) => permission::run(&command),
        Command::Import(arguments) => import::run(&arguments),
        Command::Backup(command) => backup::run(&command),
        Command::Health(arguments) => health::run(&arguments),
        Command::Version(arguments) => version::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
        Command::Man(arguments) => man::run(&arguments, Arguments::command()),
    }
}
