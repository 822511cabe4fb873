//! `kilwa schema format`.

use super::difference_format::DifferenceFormat;
use super::junit::{self, CaseOutcome, DifferenceCase};
use super::unusable::Unusable;
use super::{github, layout_diff};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::{file_patterns, render, source_files};
use crate::schema::{self, SchemaError};
use clap::Args;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Schema files, and patterns such as 'policies/**/*.zed'; `-` is standard input. Comments, the order of definitions
    /// and relations, and line breaks are kept.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
    /// Write the formatted text to the files instead of printing it.
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Write nothing; show where a file is not formatted, and exit with 1 if one is not.
    #[arg(long)]
    check: bool,
    /// How `--check` shows where a file is not formatted: as text, as annotations of a GitHub workflow, or as `JUnit` XML.
    #[arg(long, value_enum, default_value_t, requires = "check")]
    format: DifferenceFormat,
    /// Print the canonical form, in which SpiceDB returns schemas: definitions sorted by name, imports and partials
    /// expanded, comments only above definitions, caveats, relations and permissions.
    #[arg(long, conflicts_with_all = ["write", "check"])]
    canonical: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let files = file_patterns::expand(&arguments.files).map_err(CliError::new)?;
    if arguments.check && arguments.format == DifferenceFormat::Junit {
        return check_all(&files);
    }
    let mut exit = Exit::Success;
    for file in &files {
        exit = exit.max(format(file, arguments)?);
    }
    Ok(exit)
}

/// The text of a file, and that text formatted.
fn texts(file: &Path, name: &str, is_canonical: bool) -> Result<(String, String), Unusable> {
    let unreadable = |reason| Unusable::Unreadable(format!("`{name}` cannot be read: {reason}"));
    let text = source_files::text(file).map_err(unreadable)?;
    let formatted = if is_canonical {
        canonical(file, name, &text)
    } else {
        schema::format::formatted(name, &text)
    };
    let formatted = formatted.map_err(Unusable::Schema)?;
    Ok((text, formatted))
}

/// Checks files, and reports on all of them at once.
fn check_all(files: &[PathBuf]) -> Result<Exit, CliError> {
    let mut exit = Exit::Success;
    let mut cases = Vec::with_capacity(files.len());
    for file in files {
        let name = source_files::name(file);
        let (outcome, result) = match texts(file, &name, false) {
            Ok((text, formatted)) if text == formatted => {
                (CaseOutcome::Good(String::new()), Exit::Success)
            }
            Ok((text, formatted)) => {
                let difference = layout_diff::shown(&name, &text, &formatted);
                let difference = anstream::adapter::strip_str(&difference).to_string();
                (CaseOutcome::Failure(difference + &remedy(&name)), Exit::Failure)
            }
            Err(unusable) => (unusable.outcome(), Exit::Error),
        };

        exit = exit.max(result);
        cases.push(DifferenceCase { name, outcome });
    }
    render::out(&junit::report("kilwa schema format --check", "layout", cases)?)?;
    Ok(exit)
}

fn format(file: &Path, arguments: &Arguments) -> Result<Exit, CliError> {
    if source_files::is_stdin(file) && arguments.write {
        return Ok(render::error("`--write` needs files, not standard input"));
    }
    let name = source_files::name(file);
    let (text, formatted) = match texts(file, &name, arguments.canonical) {
        Ok(texts) => texts,
        Err(unusable) => {
            match arguments.format {
                DifferenceFormat::Github => render::out(&unusable.annotations(&name))?,
                DifferenceFormat::Text | DifferenceFormat::Junit => unusable.note(),
            }
            return Ok(Exit::Error);
        }
    };

    if arguments.check {
        return check(&name, &text, &formatted, arguments.format);
    }
    if !arguments.write {
        render::out(&formatted)?;
    } else if text != formatted
        && let Err(error) = replace(file, &formatted)
    {
        return Ok(render::error(format!("`{name}` cannot be written: {error}")));
    }
    Ok(Exit::Success)
}

/// The canonical text of a schema, imports included.
fn canonical(file: &Path, name: &str, text: &str) -> Result<String, SchemaError> {
    let schema = schema::compile_named(name, text, Some(&source_files::beside(file)))?;
    Ok(format!("{}\n", schema::format::canonical(&schema).trim_end()))
}

/// Replaces the content of a file atomically. Its mode and links to it are kept.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let file = fs::canonicalize(file)?;
    // A rename needs no permission to write to the file itself, so that is checked here.
    let mode = OpenOptions::new().write(true).open(&file)?.metadata()?.permissions();
    let mut draft_name = file.file_name().unwrap_or_default().to_owned();
    draft_name.push(format!(".{}.new", std::process::id()));
    let draft = file.with_file_name(draft_name);
    let written = write_draft(&draft, text, mode).and_then(|()| fs::rename(&draft, &file));
    if written.is_err() {
        drop(fs::remove_file(&draft));
    }
    written
}

fn write_draft(draft: &Path, text: &str, mode: Permissions) -> io::Result<()> {
    let mut file = File::create(draft)?;
    file.set_permissions(mode)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

fn check(
    name: &str,
    text: &str,
    formatted: &str,
    format: DifferenceFormat,
) -> Result<Exit, CliError> {
    if text == formatted {
        return Ok(Exit::Success);
    }
    if format == DifferenceFormat::Github {
        let line = layout_diff::first_line(text, formatted);
        let message = format!("not formatted: {}", remedy(name));
        render::out(&github::annotation("error", name, line, &message))?;
        return Ok(Exit::Failure);
    }
    let difference = layout_diff::shown(name, text, formatted);
    render::note(&format!("{difference}{}\n", remedy(name)));
    Ok(Exit::Failure)
}

fn remedy(name: &str) -> String {
    format!("run `kilwa schema format --write {name}`")
}
