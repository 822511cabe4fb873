//! Schemas and relationships from files, for servers to start with and for import.

use super::error::CliError;
use super::{clock, input_lines, render, validate};
use crate::schema::{self, Diagnostic, Schema};
use crate::validation::{BootstrapData, Input, SchemaNeed, read_bootstrap};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// The largest file that is read as a whole, in bytes. Larger imports are `kilwa relationship bulk-import`'s.
const FILE_BYTES_MAX: u64 = 1 << 30;
/// The largest schema file, in bytes.
const SCHEMA_BYTES_MAX: u64 = 4 << 20;

/// Reads another file by its path from the folder of `file`; absolute paths as they are.
pub(super) fn beside(file: &Path) -> impl Fn(&str) -> Result<String, String> {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    move |path| read(&folder.join(path), SCHEMA_BYTES_MAX)
}

/// The text of a file, or of standard input when it is called `-`; the error says why there is none.
pub(super) fn text(file: &Path) -> Result<String, String> {
    if !input_lines::is_stdin(file) {
        return read(file, FILE_BYTES_MAX);
    }
    input_lines::read_all().map_err(|failure| match failure {
        CliError::Message(message) => message,
        CliError::OutputClosed => String::new(),
    })
}

/// How a file is called in messages.
pub(super) fn name(file: &Path) -> String {
    if input_lines::is_stdin(file) {
        "standard input".to_owned()
    } else {
        file.display().to_string()
    }
}

/// Devices and pipes have no size that could be looked at first, so reading itself is bounded.
fn read(path: &Path, bytes_max: u64) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(bytes_max + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if u64::try_from(text.len()).is_ok_and(|length| length > bytes_max) {
        return Err(format!("it is larger than {bytes_max} bytes"));
    }
    Ok(text)
}

/// The schemas and the relationships of validation files and schemas, as if they were one file.
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
            render::note(&validate::text::single(report));
        }
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        CliError::new(format!("nothing can be loaded from {}", quoted.join(", ")))
    })
}

/// The schema of a file, with what it imports, or what is wrong with it.
pub(super) fn compile_schema(path: &Path) -> Result<Result<Schema, Vec<Diagnostic>>, CliError> {
    let text = input_lines::read_text(path)?;
    Ok(schema::compile_named(&name(path), &text, Some(&beside(path))))
}
