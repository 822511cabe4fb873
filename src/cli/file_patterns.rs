//! Files as arguments name them: paths, and patterns that a shell left alone because they were quoted.

use crate::cli::source_files;
use std::collections::HashSet;
use std::path::{Path, PathBuf};

/// The files that the arguments name or match, without duplicates, in the order of the arguments.
pub(in crate::cli) fn expand(arguments: &[String]) -> Result<Vec<PathBuf>, String> {
    let mut seen = HashSet::new();
    let mut files = Vec::new();
    for argument in arguments {
        let found = expand_one(argument)?.into_iter();
        files.extend(found.filter(|path| seen.insert(identity(path))));
    }
    Ok(files)
}

/// One path for all names of a file. A path that does not resolve is kept: reading it reports the error.
pub(in crate::cli) fn identity(path: &Path) -> PathBuf {
    path.canonicalize().unwrap_or_else(|_| path.to_owned())
}

fn expand_one(argument: &str) -> Result<Vec<PathBuf>, String> {
    let path = PathBuf::from(argument);
    if source_files::is_stdin(&path) {
        return Ok(vec![path]);
    }
    if path.is_dir() {
        return Err(format!(
            "`{argument}` is a folder: name files, or a pattern such as `{}/**/*.yaml`",
            argument.trim_end_matches('/')
        ));
    }

    if path.exists() || !argument.contains(['*', '?', '[']) {
        return Ok(vec![path]);
    }

    let matches = glob::glob(argument)
        .map_err(|error| format!("`{argument}` is not a pattern: {}", error.msg))?;

    let mut files = Vec::new();
    for found in matches {
        let path = found.map_err(|error| {
            let path = error.path().display();
            format!("`{path}`, which `{argument}` matches, cannot be read: {}", error.error())
        })?;
        if path.is_file() {
            files.push(path);
        }
    }

    files.sort();
    if files.is_empty() {
        return Err(format!("no file matches `{argument}`"));
    }
    Ok(files)
}
