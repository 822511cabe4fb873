//! Schemas and validation files, from files or standard input.

use super::error::CliError;
use super::validate::text::single as report_text;
use super::{clock, render};
use crate::validation::{BootstrapData, Input, SchemaNeed, read_bootstrap};
use std::fs::File;
use std::io::{self, IsTerminal as _, Read};
use std::path::{Path, PathBuf};

/// The largest validation file, in bytes. `kilwa relationship bulk-import` reads larger data line by line.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// The largest schema, in bytes.
const SCHEMA_BYTES_MAX: u64 = 4 << 20;

/// Whether a path stands for standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// The name of a file in messages.
pub(super) fn name(file: &Path) -> String {
    if is_stdin(file) { "standard input".to_owned() } else { file.display().to_string() }
}

/// Reads other files by their paths relative to the folder of `file`.
pub(super) fn beside(file: &Path) -> impl Fn(&str) -> Result<String, String> {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    move |path| read(&folder.join(path), SCHEMA_BYTES_MAX)
}

/// The text of a file or of standard input; the error says why it cannot be read.
pub(super) fn text(file: &Path) -> Result<String, String> {
    read(file, FILE_BYTES_MAX)
}

/// The text of a schema; the error names the file and says why it cannot be read.
pub(super) fn schema_text(file: &Path) -> Result<String, String> {
    read(file, SCHEMA_BYTES_MAX)
        .map_err(|reason| format!("`{}` cannot be read: {reason}", name(file)))
}

/// The schemas and relationships of several validation files and schemas, combined.
pub(super) fn read_all(files: &[PathBuf], need: SchemaNeed) -> Result<BootstrapData, CliError> {
    let names: Vec<String> = files.iter().map(|file| name(file)).collect();
    let texts = files.iter().zip(&names).map(|(file, name)| {
        let unreadable = |reason| CliError::new(format!("`{name}` cannot be read: {reason}"));
        text(file).map_err(unreadable)
    });
    let texts = texts.collect::<Result<Vec<_>, _>>()?;
    let loaders: Vec<_> = files.iter().map(|file| beside(file)).collect();
    let inputs: Vec<Input<'_>> = names
        .iter()
        .zip(&texts)
        .zip(&loaders)
        .map(|((name, text), load)| Input { name, text, load })
        .collect();

    read_bootstrap(&inputs, need, clock::now()).map_err(|reports| {
        for report in reports {
            render::note(&report_text(report));
        }
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        CliError::new(format!("{} cannot be loaded", quoted.join(", ")))
    })
}

/// Says on a terminal that the command waits for typed input.
pub(super) fn note_terminal() {
    if io::stdin().is_terminal() {
        render::note("reading standard input; Ctrl-D ends it");
    }
}

/// Devices, pipes and standard input have no size that could be checked first, so the read itself is bounded.
fn read(path: &Path, bytes_max: u64) -> Result<String, String> {
    if is_stdin(path) {
        note_terminal();
        let text = read_bounded(io::stdin().lock(), bytes_max)?;
        if text.trim().is_empty() {
            return Err("it is empty, as when the command before the pipe fails".to_owned());
        }
        return Ok(text);
    }
    read_bounded(File::open(path).map_err(|error| error.to_string())?, bytes_max)
}

fn read_bounded(input: impl Read, bytes_max: u64) -> Result<String, String> {
    let mut text = String::new();
    let length = input.take(bytes_max + 1).read_to_string(&mut text).map_err(|e| e.to_string())?;
    if u64::try_from(length).is_ok_and(|length| length > bytes_max) {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    Ok(text)
}
