//! `kilwa schema format`.

use super::layout_diff;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::{render, snippet, source_files};
use crate::schema::{self, Diagnostic};
use clap::Args;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Schema files; `-` is standard input. Comments stay in their places, definitions and relations in their order, and
    /// lines are not broken anew.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the formatted text to the files instead of printing it.
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Write nothing; show where a file is not formatted, and exit with 1.
    #[arg(long)]
    check: bool,
    /// Print the form in which SpiceDB returns schemas: definitions sorted by name, imports and partials written out,
    /// comments only above definitions, caveats, relations and permissions.
    #[arg(long, conflicts_with_all = ["write", "check"])]
    canonical: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let mut exit = Exit::Success;
    for file in &arguments.files {
        exit = exit.max(format(file, arguments)?);
    }
    Ok(exit)
}

fn format(file: &Path, arguments: &Arguments) -> Result<Exit, CliError> {
    if source_files::is_stdin(file) && arguments.write {
        return Ok(render::error("standard input cannot be written to: leave out `--write`"));
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
            snippet::note_all(&diagnostics);
            return Ok(Exit::Error);
        }
    };

    if arguments.check {
        return Ok(check(&name, &text, &formatted));
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

/// The canonical text of a schema with everything that it imports.
fn canonical(file: &Path, name: &str, text: &str) -> Result<String, Vec<Diagnostic>> {
    let schema = schema::compile_named(name, text, Some(&source_files::beside(file)))?;
    Ok(format!("{}\n", schema::format::canonical(&schema).trim_end()))
}

/// Puts a text in the place of a file's, whole or not at all. Mode and links stay.
fn replace(file: &Path, text: &str) -> io::Result<()> {
    let file = fs::canonicalize(file)?;
    // What may not be written to may not be replaced either.
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

fn check(name: &str, text: &str, formatted: &str) -> Exit {
    if text == formatted {
        return Exit::Success;
    }
    let difference = layout_diff::shown(name, text, formatted);
    render::note(&format!("{difference}run `kilwa schema format --write {name}`\n"));
    Exit::Failure
}
