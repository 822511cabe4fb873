//! `kilwa schema read` and `kilwa schema write`.

use super::dry_run;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::server_args::ServerArgs;
use crate::cli::{render, snippet, source_files};
use crate::schema::{self, SchemaError};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct ReadArguments {
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WriteArguments {
    /// Schema file; standard input without one. Imported files are written with it.
    file: Option<PathBuf>,
    /// Write nothing: show what would change, and the stored relationships that forbid it. Exits with 1 when the schema
    /// would be rejected.
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
struct SchemaJson {
    schema_text: String,
    read_at: render::TokenJson,
}

pub(super) fn read(arguments: &ReadArguments) -> Result<Exit, CliError> {
    let (schema_text, token) = arguments.server.connect()?.read_schema()?;
    if arguments.json {
        render::json(&SchemaJson { schema_text, read_at: token.into() })?;
    } else {
        render::out(&format!("{}\n", schema_text.trim_end()))?;
    }
    Ok(Exit::Success)
}

pub(super) fn write(arguments: &WriteArguments) -> Result<Exit, CliError> {
    let schema = match text(arguments.file.as_deref())? {
        Ok(text) => text,
        Err(diagnostics) => {
            snippet::note_all(&diagnostics);
            return Err(CliError::new("the schema was not written"));
        }
    };
    require_content(&schema)?;
    let connection = arguments.server.connect()?;
    if arguments.dry_run {
        return dry_run::run(&connection, &schema, arguments.json);
    }

    let token = connection.write_schema(schema)?;
    render::written(token, arguments.json)?;
    Ok(Exit::Success)
}

/// Requires a schema that is not empty: in a pipe, a program that failed would otherwise delete every definition.
pub(in crate::cli) fn require_content(schema: &str) -> Result<(), CliError> {
    if schema.trim().is_empty() {
        return Err(CliError::new(
            "the schema is empty, and writing it would delete every definition: nothing was written",
        ));
    }
    Ok(())
}

/// The text to write: the file unchanged, or merged with its imports, which servers do not accept.
fn text(file: Option<&Path>) -> Result<Result<String, SchemaError>, CliError> {
    let path = file.unwrap_or(Path::new("-"));
    let text = source_files::schema_text(path).map_err(CliError::new)?;
    if source_files::is_stdin(path) {
        return Ok(Ok(text));
    }
    if schema::compile(&text).is_ok() {
        return Ok(Ok(text));
    }
    let name = path.display().to_string();
    Ok(schema::compile_named(&name, &text, Some(&source_files::beside(path)))
        .map(|schema| schema::without_imports(&schema)))
}
