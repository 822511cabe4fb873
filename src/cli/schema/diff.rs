//! `kilwa schema diff`.

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::server_args::ServerArgs;
use crate::cli::{render, snippet, source_files};
use crate::schema::diff::{SchemaChange, changes};
use crate::schema::{self, Schema};
use clap::Args;
use serde::Serialize;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The file of the schema as it was. When it is the only file, it is compared with the schema of the server. One of
    /// the files may be - for standard input.
    before: PathBuf,
    /// The file of the schema as it is to be.
    after: Option<PathBuf>,
    /// Print the differences as JSON, one in a line.
    #[arg(long)]
    json: bool,
    /// Exit with 1 when there are differences.
    #[arg(long)]
    error_on_difference: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    if arguments.after.as_ref().is_some_and(|after| {
        [after, &arguments.before].iter().all(|path| source_files::is_stdin(path))
    }) {
        return Err(CliError::new("only one of the files can be standard input"));
    }
    let (before, after) = match &arguments.after {
        Some(after) => (read(&arguments.before)?, read(after)?),
        None => (stored(&arguments.server)?, read(&arguments.before)?),
    };
    let changes = changes(&before, &after);
    for change in &changes {
        let told = Told::new(change);
        let line = if arguments.json { render::json_line(&told)? } else { told.line() };
        render::out(&line)?;
    }
    let fails = arguments.error_on_difference && !changes.is_empty();
    Ok(if fails { Exit::Failure } else { Exit::Success })
}

/// The schema of a file, with what it imports.
fn read(path: &Path) -> Result<Schema, CliError> {
    source_files::compile_schema(path)?.map_err(|diagnostics| {
        snippet::note_all(&diagnostics);
        CliError::new(format!("`{}` cannot be compared", path.display()))
    })
}

/// The schema of the server.
fn stored(server: &ServerArgs) -> Result<Schema, CliError> {
    let (text, _) = server.connect()?.read_schema()?;
    schema::compile(&text).map_err(|diagnostics| {
        snippet::note_all(&diagnostics);
        CliError::new("the schema of the server cannot be compared")
    })
}

/// A difference in words.
#[derive(Serialize)]
struct Told<'a> {
    change: &'static str,
    what: &'static str,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
}

const ADDED: &str = "added";
const REMOVED: &str = "removed";
const CHANGED: &str = "changed";

impl<'a> Told<'a> {
    fn new(change: &'a SchemaChange) -> Self {
        let told = |change, what, name: &str, detail: Option<&'a str>| Told {
            change,
            what,
            name: name.to_owned(),
            detail,
        };
        let member = |of: &str, name: &str| format!("{of}#{name}");
        match change {
            SchemaChange::DefinitionAdded(is) => told(ADDED, "definition", &is.name, None),
            SchemaChange::DefinitionRemoved(was) => told(REMOVED, "definition", &was.name, None),
            SchemaChange::DefinitionCommentChanged(is) => {
                told(CHANGED, "comment of definition", &is.name, Some(&is.comment))
            }
            SchemaChange::RelationAdded(is) => {
                told(ADDED, "relation", &member(&is.definition, &is.name), None)
            }
            SchemaChange::RelationRemoved(was) => {
                told(REMOVED, "relation", &member(&was.definition, &was.name), None)
            }
            SchemaChange::RelationCommentChanged(is) => {
                let name = member(&is.definition, &is.name);
                told(CHANGED, "comment of relation", &name, Some(&is.comment))
            }
            SchemaChange::SubjectAdded(of, form) => told(
                ADDED,
                "subject of relation",
                &member(&of.definition, &of.name),
                Some(&form.text),
            ),
            SchemaChange::SubjectRemoved(of, form) => {
                let name = member(&of.definition, &of.name);
                told(REMOVED, "subject of relation", &name, Some(&form.text))
            }
            SchemaChange::PermissionAdded(is) => {
                told(ADDED, "permission", &member(&is.definition, &is.name), None)
            }
            SchemaChange::PermissionRemoved(was) => {
                told(REMOVED, "permission", &member(&was.definition, &was.name), None)
            }
            SchemaChange::PermissionCommentChanged(is) => {
                let name = member(&is.definition, &is.name);
                told(CHANGED, "comment of permission", &name, Some(&is.comment))
            }
            SchemaChange::PermissionExpressionChanged(is) => {
                told(CHANGED, "permission", &member(&is.definition, &is.name), None)
            }
            SchemaChange::CaveatAdded(is) => told(ADDED, "caveat", &is.name, None),
            SchemaChange::CaveatRemoved(was) => told(REMOVED, "caveat", &was.name, None),
            SchemaChange::CaveatCommentChanged(is) => {
                told(CHANGED, "comment of caveat", &is.name, Some(&is.comment))
            }
            SchemaChange::CaveatExpressionChanged(is) => {
                told(CHANGED, "caveat", &is.name, Some(&is.expression))
            }
            SchemaChange::ParameterAdded(is) => {
                told(ADDED, "parameter of caveat", &is.caveat, Some(&is.name))
            }
            SchemaChange::ParameterRemoved(was) => {
                told(REMOVED, "parameter of caveat", &was.caveat, Some(&was.name))
            }
            SchemaChange::ParameterTypeChanged { parameter: is, .. } => {
                told(CHANGED, "parameter of caveat", &is.caveat, Some(&is.name))
            }
        }
    }

    /// `added subject of relation document#viewer: user:*`
    fn line(&self) -> String {
        let Self { change, what, name, detail } = self;
        match detail {
            Some(detail) => format!("{change} {what} {name}: {detail}\n"),
            None => format!("{change} {what} {name}\n"),
        }
    }
}
