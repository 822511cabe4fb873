//! Relationships and questions, one a line.

use super::error::CliError;
use super::render;
use std::fmt::Display;
use std::io::IsTerminal as _;
use std::path::Path;

/// A relationship or a question as text.
#[derive(Debug)]
pub(super) struct InputLine {
    /// In one word, whatever the form in which it was given.
    pub(super) text: String,
    /// Where it stands in standard input, counted from 1; nothing for an argument.
    number: Option<usize>,
}

impl InputLine {
    pub(super) fn argument(text: &str) -> Self {
        Self { text: joined(text), number: None }
    }

    /// What is wrong with it.
    pub(super) fn wrong(&self, error: impl Display) -> CliError {
        match self.number {
            Some(number) => CliError::new(format!("line {number}: {error}")),
            None => CliError::new(error),
        }
    }
}

/// Every line of standard input but the blank ones and `//` comments. `what` the lines hold is for the refusal of none.
pub(super) fn read_stdin(what: &str) -> Result<Vec<InputLine>, CliError> {
    let text = read_all()?;
    let numbered = without_mark(&text, 1).lines().map(str::trim).zip(1..);
    let lines: Vec<InputLine> = numbered
        .filter(|(line, _)| !line.is_empty() && !line.starts_with("//"))
        .map(|(line, number)| InputLine { text: joined(line), number: Some(number) })
        .collect();
    if lines.is_empty() {
        return Err(CliError::new(format!("standard input holds no {what}")));
    }
    Ok(lines)
}

/// The same, but not from somebody who was not told to type.
pub(super) fn read_piped(what: &str) -> Result<Vec<InputLine>, CliError> {
    require_piped(|| {
        format!(
            "no {what} is given: write it as argument, or pipe some in, one a line; `--help` says how"
        )
    })?;
    read_stdin(what)
}

/// Requires that standard input comes from a file or another program, for a command that was not told to read it.
pub(super) fn require_piped(otherwise: impl FnOnce() -> String) -> Result<(), CliError> {
    if std::io::stdin().is_terminal() { Err(CliError::new(otherwise())) } else { Ok(()) }
}

/// Whether a file's name stands for standard input.
pub(super) fn is_stdin(path: &Path) -> bool {
    path == Path::new("-")
}

/// The text of a file, or of standard input.
pub(super) fn read_text(path: &Path) -> Result<String, CliError> {
    if is_stdin(path) {
        return read_all();
    }
    std::fs::read_to_string(path)
        .map_err(|error| CliError::new(format!("`{}` cannot be read: {error}", path.display())))
}

/// The text of line `number` and what follows, without the byte order mark with which some editors begin a file.
pub(super) fn without_mark(text: &str, number: u64) -> &str {
    text.strip_prefix('\u{feff}').filter(|_| number == 1).unwrap_or(text)
}

/// All of standard input.
pub(super) fn read_all() -> Result<String, CliError> {
    let stdin = std::io::stdin();
    if stdin.is_terminal() {
        render::note("reading what you type; Ctrl-D ends it");
    }
    std::io::read_to_string(stdin)
        .map_err(|error| CliError::new(format!("standard input cannot be read: {error}")))
}

/// `document:plan viewer user:ann`, as zed writes it, as `document:plan#viewer@user:ann`; anything else as it is.
pub(super) fn joined(text: &str) -> String {
    let words = text.split_once(char::is_whitespace).and_then(|(resource, rest)| {
        let (relation, subject) = rest.trim_start().split_once(char::is_whitespace)?;
        Some((resource, relation, subject.trim_start()))
    });
    match words {
        Some((resource, relation, subject)) if !resource.contains('#') => {
            format!("{resource}#{relation}@{subject}")
        }
        _ => text.to_owned(),
    }
}
