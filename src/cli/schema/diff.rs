//! `kilwa schema diff`.

use super::change_row::ChangeRow;
use super::difference_format::DifferenceFormat;
use super::github;
use super::junit::{self, CaseOutcome, DifferenceCase};
use super::schema_pair::SchemaPair;
use super::unusable::Unusable;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::server_args::ServerArgs;
use crate::cli::validate::json::DiagnosticJson;
use crate::cli::{render, snippet, source_files};
use crate::schema::diff::{SchemaChange, changes};
use crate::schema::{self, Schema, SchemaError};
use clap::Args;
use std::cell::RefCell;
use std::fmt::Display;
use std::path::{Path, PathBuf};

/// The name of the command in reports.
const COMMAND: &str = "kilwa schema diff";

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
    let new_file = arguments.after.as_ref().unwrap_or(&arguments.before);
    let before = match &arguments.after {
        Some(_) => read_old(&arguments.before),
        None => Ok(stored(&arguments.server)?),
    };
    let schemas = match before.and_then(|before| Ok((before, read(new_file)?))) {
        Ok((before, after)) => {
            let before_file = arguments.after.as_ref().map(|_| arguments.before.as_path());
            SchemaPair { before, before_file, after, after_file: new_file }
        }
        Err(unusable) => return arguments.refuse(unusable),
    };

    let changes = changes(&schemas.before, &schemas.after);
    if arguments.format == DifferenceFormat::Junit {
        let cases = changes.iter().map(|change| arguments.case(change, &schemas)).collect();
        let suite = source_files::name(new_file);
        render::out(&junit::report(COMMAND, &suite, or_none(cases))?)?;
    } else {
        for change in &changes {
            let row = ChangeRow::new(change);
            let line = match arguments.format {
                _ if arguments.json => render::json_line(&row)?,
                DifferenceFormat::Github => annotation(change, &schemas),
                DifferenceFormat::Text | DifferenceFormat::Junit => row.text(),
            };
            render::out(&line)?;
        }
    }
    let fails = changes.iter().any(|change| arguments.is_failure(change));
    Ok(if fails { Exit::Failure } else { Exit::Success })
}

/// A file that cannot be compared.
struct UnusableFile {
    name: String,
    reason: Unusable,
}

impl UnusableFile {
    fn unreadable(file: &Path, message: impl Display) -> Self {
        let reason = Unusable::Unreadable(message.to_string());
        Self { name: source_files::name(file), reason }
    }
}

impl Arguments {
    /// Reports a file that cannot be compared, in the form of the differences.
    fn refuse(&self, file: UnusableFile) -> Result<Exit, CliError> {
        let UnusableFile { name, reason } = file;
        match self.format {
            DifferenceFormat::Github => render::out(&reason.annotations(&name))?,
            DifferenceFormat::Junit => {
                let case = DifferenceCase { name: name.clone(), outcome: reason.outcome() };
                render::out(&junit::report(COMMAND, &name, vec![case])?)?;
            }
            DifferenceFormat::Text => match reason {
                Unusable::Unreadable(message) => return Err(CliError::new(message)),
                Unusable::Schema(found) if self.json => {
                    for diagnostic in found.iter().map(DiagnosticJson::new) {
                        render::out(&render::json_line(&diagnostic)?)?;
                    }
                }
                Unusable::Schema(_) => reason.note(),
            },
        }
        Err(CliError::new(format!("`{name}` cannot be compared")))
    }

    /// A difference as a case of a report.
    fn case(&self, change: &SchemaChange, schemas: &SchemaPair<'_>) -> DifferenceCase {
        let (file, line) = schemas.place(change);
        let text = schemas.described(change);
        let name = text.lines().next().unwrap_or_default();
        let name = name.split(" [breaking:").next().unwrap_or_default().to_owned();
        let described = format!("{file}:{line}: {text}");
        let is_failure = self.is_failure(change);
        let outcome =
            if is_failure { CaseOutcome::Failure(described) } else { CaseOutcome::Good(described) };
        DifferenceCase { name, outcome }
    }

    /// Whether a difference makes the command fail.
    fn is_failure(&self, change: &SchemaChange) -> bool {
        self.error_on_difference || (self.error_on_breaking && change.breaking_reason().is_some())
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

fn annotation(change: &SchemaChange, schemas: &SchemaPair<'_>) -> String {
    let kind = if change.breaking_reason().is_some() { "warning" } else { "notice" };
    let (file, line) = schemas.place(change);
    github::annotation(kind, &file, line, &schemas.described(change))
}

fn read_old(path: &Path) -> Result<Schema, UnusableFile> {
    if !source_files::is_stdin(path) && !path.exists() {
        let message =
            format!("`{}` does not exist; compare a new file with /dev/null", path.display());
        return Err(UnusableFile::unreadable(path, message));
    }
    read(path)
}

/// The schema of a file, imports included.
fn read(path: &Path) -> Result<Schema, UnusableFile> {
    let text = source_files::schema_text(path);
    let text = text.map_err(|message| UnusableFile::unreadable(path, message))?;
    let compiled = if source_files::is_stdin(path) {
        compile_stdin(path, &text).map_err(|message| UnusableFile::unreadable(path, message))?
    } else {
        schema::compile_named(&source_files::name(path), &text, Some(&source_files::beside(path)))
    };
    compiled.map_err(|found| UnusableFile {
        name: source_files::name(path),
        reason: Unusable::Schema(found),
    })
}

/// The schema on standard input. The error says why its imports are not read.
fn compile_stdin(path: &Path, text: &str) -> Result<Result<Schema, SchemaError>, String> {
    // Files beside this folder may be of another version than standard input.
    let imported = RefCell::new(None);
    let refuse = |file: &str| {
        imported.borrow_mut().get_or_insert_with(|| file.to_owned());
        Err("standard input has no folder".to_owned())
    };
    let compiled = schema::compile_named(&source_files::name(path), text, Some(&refuse));
    match imported.into_inner() {
        Some(file) => Err(format!(
            "the schema on standard input imports `{file}`, which may be of another version in this folder: compare with \
             a whole checkout of that version, such as one of `git worktree add --detach old main`, and name its file: \
             `kilwa schema diff old/FILE FILE`"
        )),
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
