//! The command line: one file per command; only `render` prints.
//!
//! All commands share their exit codes: 0 for success, 1 for a negative result that counts as a failure (a failed
//! assertion, a warning under `--fail-on-warn`), 2 for errors. A server that a signal ends at once exits with 128 plus
//! the signal number.

mod auth;
mod backup;
mod bench;
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
mod ext_authz;
mod file_patterns;
mod health;
mod import;
mod input_lines;
mod man;
mod permission;
mod progress;
mod registration;
mod relationship;
mod render;
mod schema;
mod serve;
mod serve_testing;
mod server_args;
mod shown_place;
mod snippet;
mod source_files;
mod spicedb;
mod time_args;
mod token_file;
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
Exit codes: 0 for success, 1 for a failed assertion or another negative result that counts as a failure, 2 for errors. \
A server that a signal ends at once, because it is the second one or comes before the server is ready, exits with 128 \
plus the signal number.

Commands find the key of a server that the same user runs on this machine by themselves. Otherwise name the data folder \
that contains its key with `--data-dir` or KILWA_DATA_DIR, a file with the key with `--token-file` or KILWA_TOKEN_FILE, or \
the key itself with KILWA_TOKEN or `--token`; KILWA_ENDPOINT or \
`--endpoint` says where the server is. An environment variable that is empty counts as not set.";

const COMING_FROM_SPICEDB: &str = "\
Flags and SPICEDB_ variables of `spicedb serve` are accepted too: see docs/from-spicedb.md.";

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
    /// Run a test server with a separate in-memory database per key.
    ServeTesting(Box<serve_testing::Arguments>),
    /// Run the assertions and expected relations of validation files, and check schemas.
    Validate(validate::Arguments),
    /// Read, write, check and format schemas.
    #[command(subcommand)]
    Schema(schema::Command),
    /// Read and write the relationships of a server.
    #[command(subcommand)]
    Relationship(relationship::Command),
    /// Check permissions, and look up resources and subjects.
    #[command(subcommand)]
    Permission(permission::Command),
    /// Write a validation file (schema and relationships) or a schema to a server.
    Import(import::Arguments),
    /// Back up and restore schema and relationships.
    #[command(subcommand)]
    Backup(backup::Command),
    /// Measure a server: load it with data and calls whose answers are known.
    Bench(Box<bench::Arguments>),
    /// Check the file of keys and roles, and hash keys for it.
    #[command(subcommand)]
    Auth(auth::Command),
    /// Check the file that maps requests of Envoy to checks.
    #[command(subcommand)]
    ExtAuthz(ext_authz::Command),
    /// Check whether a server serves requests; exit code 1 if it does not.
    Health(health::Arguments),
    /// Print the version of this program and of a server.
    Version(version::Arguments),
    /// Print a completion script for a shell.
    Completions(completions::Arguments),
    /// Print or write the manual pages.
    Man(man::Arguments),
}

/// Runs a command line; the first argument is the name of the program.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    if serve::asks_for_json(&arguments, |name| env::var_os(name)) {
        render::log_errors();
    }
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
        Err(mut error) => {
            spicedb::remove_value_tip(&mut error);
            Ok(refused(&error, &adopted))
        }
    }
}

/// Reports an invalid command line, or prints the requested help.
fn refused(error: &clap::Error, adopted: &spicedb::AdoptedCommand) -> Exit {
    if let Some(sentence) = spicedb::explain(error, &adopted.command) {
        return render::error(sentence);
    }
    let exit = render::usage(error);
    if let Some(name) = spicedb::source_variable(error, &adopted.command, &adopted.arguments) {
        render::note(&format!("the value comes from the environment variable {name}"));
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
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Auth(command) => auth::run(&command),
        Command::ExtAuthz(command) => ext_authz::run(&command),
        Command::Health(arguments) => health::run(&arguments),
        Command::Version(arguments) => version::run(&arguments),
        Command::Completions(arguments) => completions::run(&arguments, Arguments::command()),
        Command::Man(arguments) => man::run(&arguments, Arguments::command()),
    }
}
