//! Input with one relationship or check per line.

use super::error::CliError;
use super::source_files::note_terminal;
use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal as _, Read as _, StdinLock};

/// The longest line, in bytes, so that input without line breaks does not fill the memory.
const LINE_BYTES_MAX: u64 = 1 << 20;

/// A relationship or a check as text.
#[derive(Debug)]
pub(super) struct InputLine {
    /// In the form `resource#relation@subject`, whichever form was given.
    pub(super) text: String,
    /// The line number, counted from 1; `None` for an argument.
    number: Option<u64>,
}

impl InputLine {
    pub(super) fn argument(text: &str) -> Self {
        Self { text: joined(text), number: None }
    }

    /// The line number, counted from 1; `None` for an argument.
    pub(super) fn number(&self) -> Option<u64> {
        self.number
    }

    /// An error in this line.
    pub(super) fn error(&self, error: impl Display) -> CliError {
        match self.number {
            Some(number) => CliError::new(format!("line {number}: {error}")),
            None => CliError::new(error),
        }
    }
}

/// Reads lines as they are needed, without blank lines and `//` comments.
#[derive(Debug)]
pub(super) struct LineReader<R> {
    input: R,
    /// The number of lines read so far.
    number: u64,
}

/// The lines of standard input.
pub(super) fn stdin() -> LineReader<StdinLock<'static>> {
    note_terminal();
    LineReader::new(io::stdin().lock())
}

impl<R: BufRead> LineReader<R> {
    pub(super) fn new(input: R) -> Self {
        Self { input, number: 0 }
    }

    fn read(&mut self) -> Result<Option<InputLine>, CliError> {
        let mut text = String::new();
        loop {
            text.clear();
            self.number += 1;
            let error =
                |error: &dyn Display| CliError::new(format!("line {}: {error}", self.number));
            let input = self.input.by_ref();
            let length = input.take(LINE_BYTES_MAX).read_line(&mut text).map_err(|e| error(&e))?;
            if length == 0 {
                return Ok(None);
            }
            if u64::try_from(length) == Ok(LINE_BYTES_MAX) {
                return Err(error(&"the line is longer than 1 MiB"));
            }

            let line = without_mark(&text, self.number).trim();
            if !line.is_empty() && !line.starts_with("//") {
                return Ok(Some(InputLine { text: joined(line), number: Some(self.number) }));
            }
        }
    }
}

impl<R: BufRead> Iterator for LineReader<R> {
    type Item = Result<InputLine, CliError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.read().transpose()
    }
}

/// All lines of standard input, at least one. `what` names their content in the error message.
pub(super) fn read_stdin(what: &str) -> Result<Vec<InputLine>, CliError> {
    let lines = stdin().collect::<Result<Vec<_>, _>>()?;
    if lines.is_empty() {
        return Err(CliError::new(format!("standard input has no {what}")));
    }
    Ok(lines)
}

/// Requires lines from a file or another program, for a command without the argument `-`.
pub(super) fn require_piped_lines(what: &str) -> Result<(), CliError> {
    require_piped(|| {
        format!(
            "no {what} is given: pass one as argument, or pipe them in, one per line (see `--help`)"
        )
    })
}

/// Requires that standard input is not a terminal: without an argument that names it, a user does not expect to type.
pub(super) fn require_piped(otherwise: impl FnOnce() -> String) -> Result<(), CliError> {
    if io::stdin().is_terminal() { Err(CliError::new(otherwise())) } else { Ok(()) }
}

/// The text without the byte order mark that some editors write at the start of the first line.
fn without_mark(text: &str, number: u64) -> &str {
    text.strip_prefix('\u{feff}').filter(|_| number == 1).unwrap_or(text)
}

/// `document:plan viewer user:ann`, the form of zed, as `document:plan#viewer@user:ann`; anything else unchanged.
fn joined(text: &str) -> String {
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
