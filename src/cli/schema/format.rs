//! `kilwa schema format`.

use super::{difference_format::DifferenceFormat, github, layout_diff};
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::validate::github::diagnostic;
use crate::cli::{file_patterns, render, snippet, source_files};
use crate::schema::{self, SchemaError};
use clap::Args;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::path::Path;

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
    /// How `--check` shows where a file is not formatted: as text, or as annotations of a GitHub workflow.
    #[arg(long, value_enum, default_value_t, requires = "check")]
    format: DifferenceFormat,
    /// Print the canonical form, in which SpiceDB returns schemas: definitions sorted by name, imports and partials
    /// expanded, comments only above definitions, caveats, relations and permissions.
    #[arg(long, conflicts_with_all = ["write", "check"])]
    canonical: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let files = file_patterns::expand(&arguments.files).map_err(CliError::new)?;
    let mut exit = Exit::Success;
    for file in &files {
        exit = exit.max(format(file, arguments)?);
    }
    Ok(exit)
}

fn format(file: &Path, arguments: &Arguments) -> Result<Exit, CliError> {
    if source_files::is_stdin(file) && arguments.write {
        return Ok(render::error("`--write` needs files, not standard input"));
    }
    let name = source_files::name(file);
    let text = match source_files::text(file) {
        Ok(text) => text,
        Err(reason) => return Ok(render::error(format!("`{name}` cannot be read: {reason}"))),
    };

    let formatted = if arguments.canonical {
        canonical(file, &name, &text)
    } else {
        schema::format::formatted(&name, &text)
    };
    let formatted = match formatted {
        Ok(formatted) => formatted,
        Err(diagnostics) => {
            match arguments.format {
                DifferenceFormat::Github => {
                    let lines = diagnostics.iter().map(|fault| diagnostic(fault) + "\n");
                    render::out(&lines.collect::<String>())?;
                }
                DifferenceFormat::Text => snippet::note_all(&diagnostics),
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
    if matches!(format, DifferenceFormat::Github) {
        let line = layout_diff::first_line(text, formatted);
        let message = format!("not formatted: run `kilwa schema format --write {name}`");
        render::out(&github::annotation("error", name, line, &message))?;
        return Ok(Exit::Failure);
    }
    let difference = layout_diff::shown(name, text, formatted);
    render::note(&format!("{difference}run `kilwa schema format --write {name}`\n"));
    Ok(Exit::Failure)
}
