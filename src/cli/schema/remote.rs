//! `kilwa schema read` and `kilwa schema write`.

use crate::cli::failure::Failure;
use crate::cli::remote::Server;
use crate::cli::{Exit, data, lines, render, snippet};
use crate::schema::{self, Diagnostic};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct ReadArguments {
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WriteArguments {
    /// The schema's file; standard input without one. What it imports is written with it.
    file: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Read {
    schema_text: String,
    read_at: render::Token,
}

pub(super) fn read(arguments: &ReadArguments) -> Result<Exit, Failure> {
    let (schema_text, token) = arguments.server.connect()?.read_schema()?;
    if arguments.json {
        render::json(&Read { schema_text, read_at: token.into() })?;
    } else {
        render::out(&format!("{}\n", schema_text.trim_end()))?;
    }
    Ok(Exit::Success)
}

pub(super) fn write(arguments: &WriteArguments) -> Result<Exit, Failure> {
    let schema = match text(arguments.file.as_deref())? {
        Ok(text) => text,
        Err(diagnostics) => {
            snippet::note_all(&diagnostics);
            return Err(Failure::new("the schema was not written"));
        }
    };
    require_content(&schema)?;
    let token = arguments.server.connect()?.write_schema(schema)?;
    render::written(token, arguments.json)?;
    Ok(Exit::Success)
}

/// Requires that a schema is not empty: a program that failed in a pipe would delete every definition.
pub(in crate::cli) fn require_content(schema: &str) -> Result<(), Failure> {
    if schema.trim().is_empty() {
        return Err(Failure::new(
            "the schema is empty, and writing it would delete every definition: nothing was written",
        ));
    }
    Ok(())
}

/// The text to write: the file as it is, or with its imports in one, for servers take no imports.
fn text(file: Option<&Path>) -> Result<Result<String, Vec<Diagnostic>>, Failure> {
    let path = file.unwrap_or(Path::new("-"));
    let text = lines::read_text(path)?;
    if lines::is_stdin(path) {
        return Ok(Ok(text));
    }
    if schema::compile(&text).is_ok() {
        return Ok(Ok(text));
    }
    let name = path.display().to_string();
    Ok(schema::compile_named(&name, &text, Some(&data::beside(path)))
        .map(|schema| schema::without_imports(&schema)))
}
