//! Schemas and relationships from files, for servers to start with and for import.

use super::failure::Failure;
use super::{clock, lines, render, validate};
use crate::validation::{Data, Input, SchemaNeed, read_data};
use std::path::{Path, PathBuf};

/// Reads another file by its path from the folder of `file`; absolute paths as they are.
pub(super) fn beside(file: &Path) -> impl Fn(&str) -> Result<String, String> {
    let folder = file.parent().unwrap_or(Path::new("")).to_owned();
    move |path| read(&folder.join(path))
}

/// The text of a file, or of standard input when it is called `-`; the error says why there is none.
pub(super) fn text(file: &Path) -> Result<String, String> {
    if !lines::is_stdin(file) {
        return read(file);
    }
    lines::read_all().map_err(|failure| match failure {
        Failure::Told(message) => message,
        Failure::Unheard => String::new(),
    })
}

/// How a file is called in messages.
pub(super) fn name(file: &Path) -> String {
    if lines::is_stdin(file) { "standard input".to_owned() } else { file.display().to_string() }
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path).map_err(|error| error.to_string())
}

/// The schemas and the relationships of validation files and schemas, as if they were one file.
pub(super) fn read_all(files: &[PathBuf], need: SchemaNeed) -> Result<Data, Failure> {
    let names: Vec<String> = files.iter().map(|file| name(file)).collect();
    let texts = files.iter().zip(&names).map(|(file, name)| {
        let unreadable = |reason| Failure::new(format!("`{name}` cannot be read: {reason}"));
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

    read_data(&inputs, need, clock::now()).map_err(|reports| {
        for report in reports {
            render::note(&validate::shown(report));
        }
        let quoted: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
        Failure::new(format!("nothing can be loaded from {}", quoted.join(", ")))
    })
}
