//! `kilwa relationship bulk-import`.

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::input_lines::{self, InputLine, LineReader};
use crate::cli::server_args::ServerArgs;
use crate::cli::{progress, render, source_files};
use crate::client::{CallError, Connection};
use crate::relationship::{ParseError, Relationship};
use crate::schema::{self, Schema};
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::ops::Not;
use std::path::{Path, PathBuf};

/// Relationships per message.
const PART_SIZE: usize = 1000;
/// Size of the lines from which a message is sent, in bytes.
const PART_BYTES: usize = 1 << 20;
/// How many lines with one relationship are named.
const LINES_NAMED_MAX: usize = 5;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// File with one relationship per line, as printed by `bulk-export`. Without it, or with -, relationships are read
    /// from standard input. Blank lines and lines that start with // are skipped.
    file: Option<PathBuf>,
    /// Read all lines, check them against the schema of the server, and count them; write nothing. Whether one of them
    /// exists already is not checked, nor whether the roles of the key include them: where they limit it, the result says so.
    #[arg(long)]
    dry_run: bool,
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

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImportDryRunJson {
    dry_run: bool,
    valid: u64,
    /// Whether roles limit the key, so that the server may refuse what is valid.
    #[serde(skip_serializing_if = "Not::not")]
    limited_key: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let (input, bar) = open(arguments.file.as_deref())?;
    let connection = arguments.server.connect()?;
    if arguments.dry_run {
        return count(arguments, &connection, input, &bar);
    }
    let schema = server_schema(&connection);
    let batches = ImportBatches { lines: LineReader::new(input), schema, bar: bar.clone() };

    // One call, so that all lines are created or none.
    let loaded: Result<u64, ImportError> =
        connection.import(batches.map(|batch| batch.map_err(ImportError::Input)));
    bar.finish_and_clear();

    let num_loaded = loaded.map_err(|failure| explained(failure, arguments.file.as_deref()))?;
    if arguments.json {
        render::json(&ImportJson { num_loaded })?;
    } else {
        render::out(&format!("{num_loaded} created\n"))?;
    }
    Ok(Exit::Success)
}

/// Why an import ends.
enum ImportError {
    Input(CliError),
    Call(CallError),
}

impl From<CallError> for ImportError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// The error for the user. For a relationship that exists, it names the lines of the file that have it.
fn explained(failure: ImportError, file: Option<&Path>) -> CliError {
    let error = match failure {
        ImportError::Input(error) => return error,
        ImportError::Call(error @ CallError::Exists(_)) => error,
        ImportError::Call(error) => return error.into(),
    };
    let message = error.to_string();
    let named = message.split('`').nth(1).and_then(|text| text.parse::<Relationship>().ok());
    let file = file.filter(|path| !source_files::is_stdin(path));
    let lines = named.zip(file).map(|(named, file)| lines_of(&named, file)).unwrap_or_default();
    let numbers: Vec<String> = lines.iter().map(ToString::to_string).collect();
    let place = match numbers.as_slice() {
        [] => String::new(),
        [line] => format!("line {line}: "),
        lines => format!("lines {}, the same relationship: ", lines.join(", ")),
    };
    CliError::new(format!(
        "{place}{message}; nothing was created. To write relationships whether or not they exist, pipe the lines into \
         `kilwa relationship touch -`"
    ))
}

/// The numbers of the first lines of a file with a relationship, whatever its caveat and expiration.
fn lines_of(named: &Relationship, file: &Path) -> Vec<u64> {
    let Ok(file) = File::open(file) else { return Vec::new() };
    let lines = LineReader::new(BufReader::new(file)).map_while(Result::ok);
    let is_named = |line: &InputLine| {
        line.text.parse::<Relationship>().is_ok_and(|relationship| {
            (&relationship.resource, &relationship.relation, &relationship.subject)
                == (&named.resource, &named.relation, &named.subject)
        })
    };
    lines.filter(is_named).filter_map(|line| line.number()).take(LINES_NAMED_MAX).collect()
}

/// Checks all lines and counts them.
fn count(
    arguments: &Arguments,
    connection: &Connection,
    input: Box<dyn BufRead>,
    bar: &ProgressBar,
) -> Result<Exit, CliError> {
    // Without the schema, a count would claim what was not checked.
    let (text, _) = connection.read_schema()?;
    let schema = schema::compile(&text)
        .map_err(|_| CliError::new("the schema of the server does not compile"))?;
    let mut lines =
        ImportBatches { lines: LineReader::new(input), schema: Some(schema), bar: bar.clone() };
    let mut valid = 0;
    let checked = lines.try_for_each(|batch| {
        valid += u64::try_from(batch?.len())?;
        Ok::<_, CliError>(())
    });
    bar.finish_and_clear();
    checked?;

    let limited_key = connection.has_limited_exports()?;
    if arguments.json {
        render::json(&ImportDryRunJson { dry_run: true, valid, limited_key })?;
        return Ok(Exit::Success);
    }
    render::out(&if limited_key {
        format!(
            "{valid} would be created, if the roles of the key include them all, which was not checked; nothing was written\n"
        )
    } else {
        format!("{valid} would be created; nothing was written\n")
    })?;
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
