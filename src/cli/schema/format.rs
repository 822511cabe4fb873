//! `kilwa schema format`.

use crate::cli::failure::Failure;
use crate::cli::{Exit, render, snippet};
use crate::schema;
use clap::Args;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Schema files. What they import is printed with them. Comments are kept above definitions, relations, permissions
    /// and caveats, and nowhere else.
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Write the canonical form to the files instead of printing it.
    #[arg(long, conflicts_with = "check")]
    write: bool,
    /// Print nothing; exit with 1 when a file is not in its canonical form.
    #[arg(long)]
    check: bool,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let mut exit = Exit::Success;
    for file in &arguments.files {
        exit = exit.max(format(file, arguments)?);
    }
    Ok(exit)
}

fn format(file: &Path, arguments: &Arguments) -> Result<Exit, Failure> {
    let name = file.display().to_string();
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => return Ok(render::error(format!("`{name}` cannot be read: {error}"))),
    };
    if (arguments.write || arguments.check) && imports(&name, &text) {
        return Ok(render::error(format!(
            "`{name}` imports other files: only the canonical form of the whole schema can be printed, without \
             `--write` and `--check`"
        )));
    }
    let canonical = match schema::compile_named(&name, &text, Some(&super::beside(file))) {
        Ok(schema) => format!("{}\n", schema::format::canonical(&schema).trim_end()),
        Err(diagnostics) => {
            snippet::note_all(&diagnostics);
            return Ok(Exit::Unusable);
        }
    };
    if arguments.check {
        return Ok(check(&name, text == canonical));
    }
    if !arguments.write {
        render::out(&canonical)?;
    } else if text != canonical
        && let Err(error) = replace(file, &canonical)
    {
        return Ok(render::error(format!("`{name}` cannot be written: {error}")));
    }
    Ok(Exit::Success)
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

fn imports(name: &str, text: &str) -> bool {
    let alone = schema::compile_named(name, text, None);
    alone.is_err_and(|diagnostics| diagnostics.iter().any(|found| found.code == "import"))
}

fn check(name: &str, is_canonical: bool) -> Exit {
    if is_canonical {
        return Exit::Success;
    }
    render::note(&format!(
        "`{name}` is not in its canonical form: run `kilwa schema format --write {name}`"
    ));
    Exit::Failure
}
