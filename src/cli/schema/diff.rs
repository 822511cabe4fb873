//! `kilwa schema diff`.

use super::change_row::ChangeRow;
use super::difference_format::DifferenceFormat;
use super::github;
use super::junit::{self, CaseOutcome, DifferenceCase};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::server_args::ServerArgs;
use crate::cli::{render, snippet, source_files};
use crate::schema::diff::{SchemaChange, changes};
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
    /// Print the differences as text, as annotations of a GitHub workflow where the new schema has what has changed, a breaking
    /// difference as a warning, or as `JUnit` XML, where a difference that makes this command exit with 1 is a failure.
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
    let file = source_files::name(arguments.after.as_ref().unwrap_or(&arguments.before));
    if arguments.format == DifferenceFormat::Junit {
        let cases = changes.iter().map(|change| arguments.case(change, &after, &file)).collect();
        render::out(&junit::report("kilwa schema diff", &file, or_none(cases))?)?;
    } else {
        for change in &changes {
            let row = ChangeRow::new(change);
            let line = match arguments.format {
                _ if arguments.json => render::json_line(&row)?,
                DifferenceFormat::Github => annotation(change, &row, &after, &file),
                DifferenceFormat::Text | DifferenceFormat::Junit => row.text(),
            };
            render::out(&line)?;
        }
    }
    let fails = changes.iter().any(|change| arguments.is_failure(change));
    Ok(if fails { Exit::Failure } else { Exit::Success })
}

impl Arguments {
    /// Whether a difference makes the command fail.
    fn is_failure(&self, change: &SchemaChange) -> bool {
        self.error_on_difference || (self.error_on_breaking && change.breaking_reason().is_some())
    }

    /// A difference as a case of a report. `file` is the root of the new schema.
    fn case(&self, change: &SchemaChange, after: &Schema, file: &str) -> DifferenceCase {
        let text = plain(&ChangeRow::new(change));
        let (name, line) = place(change, after, file);
        let described = format!("{name}:{line}: {text}");
        let name = text.lines().next().unwrap_or_default();
        let name = name.split(" [breaking:").next().unwrap_or_default().to_owned();
        let is_failure = self.is_failure(change);
        let outcome =
            if is_failure { CaseOutcome::Failure(described) } else { CaseOutcome::Good(described) };
        DifferenceCase { name, outcome }
    }
}

/// These cases, or one that says that there is no difference: a report without a case counts as a mistake for some readers.
fn or_none(cases: Vec<DifferenceCase>) -> Vec<DifferenceCase> {
    let none = || DifferenceCase {
        name: "no differences".to_owned(),
        outcome: CaseOutcome::Good(String::new()),
    };
    if cases.is_empty() { vec![none()] } else { cases }
}

fn annotation(change: &SchemaChange, row: &ChangeRow<'_>, after: &Schema, file: &str) -> String {
    let kind = if change.breaking_reason().is_some() { "warning" } else { "notice" };
    let (name, line) = place(change, after, file);
    github::annotation(kind, &name, line, &plain(row))
}

/// File and line of a difference in the new schema, whose root is `file`; of what is gone, the start of that.
fn place(change: &SchemaChange, after: &Schema, file: &str) -> (String, usize) {
    change.place(after).map_or_else(
        || (file.to_owned(), 1),
        |place| (place.source_name.to_owned(), place.start.line),
    )
}

fn plain(row: &ChangeRow<'_>) -> String {
    anstream::adapter::strip_str(&row.text()).to_string().trim_end().to_owned()
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
