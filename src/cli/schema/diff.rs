//! `kilwa schema diff`.

use super::change_row::ChangeRow;
use super::difference_format::DifferenceFormat;
use super::github;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::server_args::ServerArgs;
use crate::cli::{render, snippet, source_files};
use crate::schema::diff::changes;
use crate::schema::{self, Schema, SchemaError};
use clap::Args;
use std::cell::RefCell;
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// File of the old schema; as the only file, it is compared with the schema of the server. One of the files may be
    /// - for standard input, if that schema imports no files.
    before: PathBuf,
    /// File of the new schema. For a new file, compare /dev/null with it.
    after: Option<PathBuf>,
    /// Print one JSON object per difference, one per line.
    #[arg(long, conflicts_with = "format")]
    json: bool,
    /// Print the differences as text, or as annotations of a GitHub workflow at the file of the new schema, where a
    /// breaking difference is a warning.
    #[arg(long, value_enum, default_value_t)]
    format: DifferenceFormat,
    /// Exit with 1 if there are differences.
    #[arg(long)]
    error_on_difference: bool,
    /// Exit with 1 if a difference is breaking: it can revoke access, makes stored relationships invalid, or makes
    /// requests fail. Additions, comments and expressions that can only add subjects are not breaking.
    #[arg(long)]
    error_on_breaking: bool,
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
        Some(after) => (read_old(&arguments.before)?, read(after)?),
        None => (stored(&arguments.server)?, read(&arguments.before)?),
    };
    let changes = changes(&before, &after);
    for change in &changes {
        let row = ChangeRow::new(change);
        let line = match arguments.format {
            _ if arguments.json => render::json_line(&row)?,
            DifferenceFormat::Text => row.text(),
            DifferenceFormat::Github => {
                let file = arguments.after.as_ref().unwrap_or(&arguments.before);
                let kind = if change.breaking_reason().is_some() { "warning" } else { "notice" };
                let text = anstream::adapter::strip_str(&row.text()).to_string();
                github::annotation(kind, &file.display().to_string(), 1, text.trim_end())
            }
        };
        render::out(&line)?;
    }

    let any_breaking = changes.iter().any(|change| change.breaking_reason().is_some());
    let fails = (arguments.error_on_difference && !changes.is_empty())
        || (arguments.error_on_breaking && any_breaking);
    Ok(if fails { Exit::Failure } else { Exit::Success })
}

fn read_old(path: &Path) -> Result<Schema, CliError> {
    if !source_files::is_stdin(path) && !path.exists() {
        return Err(CliError::new(format!(
            "`{}` does not exist; compare a new file with /dev/null",
            path.display()
        )));
    }
    read(path)
}

/// The schema of a file, imports included.
fn read(path: &Path) -> Result<Schema, CliError> {
    let compiled = if source_files::is_stdin(path) {
        compile_stdin(path)?
    } else {
        source_files::compile_schema(path)?
    };
    compiled.map_err(|diagnostics| {
        snippet::note_all(&diagnostics);
        CliError::new(format!("`{}` cannot be compared", path.display()))
    })
}

/// The schema on standard input, where an omission would make every change look like an addition.
fn compile_stdin(path: &Path) -> Result<Result<Schema, SchemaError>, CliError> {
    let text = source_files::schema_text(path)?;
    // Files beside this folder may be of another version than standard input.
    let imported = RefCell::new(None);
    let refuse = |file: &str| {
        imported.borrow_mut().get_or_insert_with(|| file.to_owned());
        Err("standard input has no folder".to_owned())
    };
    let compiled = schema::compile_named(&source_files::name(path), &text, Some(&refuse));
    match imported.into_inner() {
        Some(file) => Err(CliError::new(format!(
            "the schema on standard input imports `{file}`, which may be of another version in this folder: compare with \
             a whole checkout of that version, such as one of `git worktree add --detach old main`, and name its file: \
             `kilwa schema diff old/FILE FILE`"
        ))),
        None => Ok(compiled),
    }
}

/// The schema of the server.
fn stored(server: &ServerArgs) -> Result<Schema, CliError> {
    let (text, _) = server.connect()?.read_schema()?;
    schema::compile(&text).map_err(|diagnostics| {
        snippet::note_all(&diagnostics);
        CliError::new("the schema of the server does not compile")
    })
}
