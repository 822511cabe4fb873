//! `kilwa schema read` and `kilwa schema write`.

use crate::api::proto::authzed::api::v1::{ReadSchemaRequest, WriteSchemaRequest};
use crate::cli::remote::{Connection, Failure};
use crate::cli::{Exit, lines, message, render, snippet};
use crate::schema::{self, Diagnostic};
use clap::Args;
use serde_json::json;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct ReadArguments {
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct WriteArguments {
    /// The schema's file; standard input without one. What it imports is written with it.
    file: Option<PathBuf>,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn read(arguments: &ReadArguments) -> Result<Exit, Failure> {
    let remote = arguments.connection.open()?;
    let response = remote.wait(remote.schema().read_schema(ReadSchemaRequest {}))?;
    render::out(&if arguments.json {
        let token = message::token(response.read_at);
        let json = json!({ "schemaText": response.schema_text, "readAt": { "token": token } });
        format!("{json:#}\n")
    } else {
        format!("{}\n", response.schema_text.trim_end())
    });
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
    let remote = arguments.connection.open()?;
    let response = remote.wait(remote.schema().write_schema(WriteSchemaRequest { schema }))?;
    let token = message::token(response.written_at);
    render::out(&if arguments.json {
        format!("{:#}\n", json!({ "writtenAt": { "token": token } }))
    } else {
        format!("{token}\n")
    });
    Ok(Exit::Success)
}

/// The text to write: the file as it is, or with its imports in one, for servers take no imports.
fn text(file: Option<&Path>) -> Result<Result<String, Vec<Diagnostic>>, Failure> {
    let Some(path) = file.filter(|path| *path != Path::new("-")) else {
        return Ok(Ok(lines::read_all()?));
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::new(format!("`{}` cannot be read: {error}", path.display())))?;
    if schema::compile(&text).is_ok() {
        return Ok(Ok(text));
    }
    let folder = path.parent().unwrap_or(Path::new(""));
    let load = |import: &str| {
        std::fs::read_to_string(folder.join(import)).map_err(|error| error.to_string())
    };
    let name = path.display().to_string();
    Ok(schema::compile_named(&name, &text, Some(&load))
        .map(|schema| schema::format::canonical(&schema)))
}
