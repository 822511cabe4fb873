//! `kilwa relationship bulk-import`.

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::input_lines::{self, LineReader};
use crate::cli::server_args::ServerArgs;
use crate::cli::{progress, render, source_files};
use crate::client::Connection;
use crate::relationship::{ParseError, Relationship};
use crate::schema::{self, Schema};
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};

/// Relationships per message.
const PART_SIZE: usize = 1000;
/// Size of the lines from which a message is sent, in bytes.
const PART_BYTES: usize = 1 << 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// File with one relationship per line, as printed by `bulk-export`. Without it, or with -, relationships are read
    /// from standard input. Blank lines and lines that start with // are skipped.
    file: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImportJson {
    num_loaded: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let (input, bar) = open(arguments.file.as_deref())?;
    let connection = arguments.server.connect()?;
    let schema = server_schema(&connection);
    let batches = ImportBatches { lines: LineReader::new(input), schema, bar: bar.clone() };

    // One call, so that all lines are created or none.
    let loaded = connection.import(batches);
    bar.finish_and_clear();

    let num_loaded = loaded?;
    if arguments.json {
        render::json(&ImportJson { num_loaded })?;
    } else {
        render::out(&format!("{num_loaded} created\n"))?;
    }
    Ok(Exit::Success)
}

/// The schema of the server, to name the line that violates it. The server checks every relationship itself, so a schema
/// that cannot be read here is no error.
fn server_schema(connection: &Connection) -> Option<Schema> {
    let (text, _) = connection.read_schema().ok()?;
    schema::compile(&text).ok()
}

fn open(path: Option<&Path>) -> Result<(Box<dyn BufRead>, ProgressBar), CliError> {
    let Some(path) = path.filter(|path| !source_files::is_stdin(path)) else {
        if path.is_none() {
            input_lines::require_piped(|| {
                "no file is given: name one, or pipe relationships in, one per line".to_owned()
            })?;
        }
        return Ok((Box::new(io::stdin().lock()), progress::counting()));
    };
    let unreadable = |error| CliError::new(format!("`{}` cannot be read: {error}", path.display()));
    let file = File::open(path).map_err(unreadable)?;
    let bytes = file.metadata().map_err(unreadable)?.len();
    let bar = progress::reading(bytes);
    Ok((Box::new(BufReader::new(bar.wrap_read(file))), bar))
}

/// Reads lines as they are needed, so that a file may have any number of them.
struct ImportBatches {
    lines: LineReader<Box<dyn BufRead>>,
    schema: Option<Schema>,
    bar: ProgressBar,
}

impl ImportBatches {
    /// The next relationship with the length of its line in bytes; `None` at the end.
    fn next_row(&mut self) -> Result<Option<(Relationship, usize)>, CliError> {
        let Some(line) = self.lines.next() else { return Ok(None) };
        let line = line.map_err(nothing_created)?;
        let relationship: Relationship =
            line.text.parse().map_err(|error: ParseError| nothing_created(line.error(error)))?;
        if let Some(schema) = &self.schema {
            let checked = schema.check_relationship(&relationship);
            checked.map_err(|error| nothing_created(line.error(error)))?;
        }
        Ok(Some((relationship, line.text.len())))
    }
}

fn nothing_created(error: CliError) -> CliError {
    match error {
        CliError::Message(message) => CliError::new(format!("{message}; nothing was created")),
        CliError::OutputClosed => error,
    }
}

impl Iterator for ImportBatches {
    type Item = Result<Vec<Relationship>, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < PART_SIZE && bytes < PART_BYTES {
            match self.next_row() {
                Ok(Some((relationship, length))) => {
                    bytes += length;
                    batch.push(relationship);
                }
                Ok(None) => break,
                Err(error) => return Some(Err(error)),
            }
        }

        // The bar of a file counts its bytes instead.
        if self.bar.length().is_none() {
            self.bar.inc(u64::try_from(batch.len()).unwrap_or_default());
        }
        (!batch.is_empty()).then_some(Ok(batch))
    }
}
