//! `kilwa relationship bulk-import`.

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::server_args::ServerArgs;
use crate::cli::{input_lines, progress, render};
use crate::relationship::{ParseError, Relationship};
use clap::Args;
use indicatif::ProgressBar;
use serde::Serialize;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read as _};
use std::path::{Path, PathBuf};

/// How many relationships go into one message.
const PART_SIZE: usize = 1000;
/// Once the lines of a message have so many bytes, it takes no more of them.
const PART_BYTES: usize = 1 << 20;
/// No relationship is so long, in bytes: what has no line ends must not take all memory.
const LINE_BYTES_MAX: u64 = 1 << 20;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// File with one relationship a line, such as `bulk-export` prints it. Without it, or with -, they are read from
    /// standard input. Blank lines and lines that start with // are skipped.
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

/// All lines are created or none.
pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let (input, bar) = open(arguments.file.as_deref())?;
    let parts = ImportBatches { input, line: 0, bar: bar.clone() };
    let loaded = arguments.server.connect()?.import(parts);
    bar.finish_and_clear();
    let num_loaded = loaded?;
    if arguments.json {
        render::json(&ImportJson { num_loaded })?;
    } else {
        render::out(&format!("{num_loaded} created\n"))?;
    }
    Ok(Exit::Success)
}

fn open(path: Option<&Path>) -> Result<(Box<dyn BufRead>, ProgressBar), CliError> {
    let Some(path) = path.filter(|path| !input_lines::is_stdin(path)) else {
        if path.is_none() {
            input_lines::require_piped(|| {
                "no file is given: name one, or pipe relationships in, one a line".to_owned()
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

/// Reads lines as they are wanted, so that there may be any number of them.
struct ImportBatches {
    input: Box<dyn BufRead>,
    line: u64,
    bar: ProgressBar,
}

impl ImportBatches {
    /// The next relationship and how long its line was; `None` at the end.
    fn next_row(&mut self) -> Result<Option<(Relationship, usize)>, CliError> {
        let mut line = String::new();
        loop {
            line.clear();
            self.line += 1;
            let wrong = |error: &dyn std::fmt::Display, line: u64| {
                CliError::new(format!("line {line}: {error}; nothing was created"))
            };
            let read = self.input.by_ref().take(LINE_BYTES_MAX).read_line(&mut line);
            let length = read.map_err(|error| wrong(&error, self.line))?;
            if length == 0 {
                return Ok(None);
            }
            if u64::try_from(length) == Ok(LINE_BYTES_MAX) {
                return Err(wrong(&"the line is too long for a relationship", self.line));
            }
            let text = input_lines::without_mark(&line, self.line).trim();
            if text.is_empty() || text.starts_with("//") {
                continue;
            }
            let relationship = input_lines::joined(text)
                .parse()
                .map_err(|error: ParseError| wrong(&error, self.line))?;
            return Ok(Some((relationship, line.len())));
        }
    }
}

impl Iterator for ImportBatches {
    type Item = Result<Vec<Relationship>, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        let (mut part, mut bytes) = (Vec::new(), 0);
        while part.len() < PART_SIZE && bytes < PART_BYTES {
            match self.next_row() {
                Ok(Some((relationship, length))) => {
                    bytes += length;
                    part.push(relationship);
                }
                Ok(None) => break,
                Err(failure) => return Some(Err(failure)),
            }
        }
        if self.bar.length().is_none() {
            self.bar.inc(u64::try_from(part.len()).unwrap_or_default());
        }
        (!part.is_empty()).then_some(Ok(part))
    }
}
