//! The only place that prints.
//!
//! Texts come in with their styles; these reach a terminal and are taken out elsewhere, or everywhere when `NO_COLOR`
//! is set.

use super::error::CliError;
use crate::cli::exit::Exit;
use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde::Serialize;
use std::fmt::Display;
use std::io::{BufWriter, IsTerminal, Write};

pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const STRONG: Style = Style::new().bold();

/// A line under the headings and nothing else, so that long tables stay short.
const TABLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A text in a style.
pub(super) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints to standard output. That nobody reads it any more changes nothing about how the command ends.
pub(super) fn out(text: &str) -> Result<(), CliError> {
    match out_next(text) {
        Err(CliError::OutputClosed) => Ok(()),
        done => done,
    }
}

/// Prints one of many texts to standard output. When nobody reads them any more, the others need not be fetched.
pub(super) fn out_next(text: &str) -> Result<(), CliError> {
    let mut stdout = anstream::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| CliError::from_output(&error))
}

/// Standard output for bytes that are not text.
pub(super) fn binary_out() -> impl Write {
    BufWriter::new(std::io::stdout().lock())
}

/// A token as the wire writes it in JSON.
#[derive(Serialize)]
pub(super) struct TokenJson {
    token: String,
}

impl From<String> for TokenJson {
    fn from(token: String) -> Self {
        Self { token }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WrittenJson {
    written_at: TokenJson,
}

/// Prints the token of a write.
pub(super) fn written(token: String, as_json: bool) -> Result<(), CliError> {
    if as_json {
        json(&WrittenJson { written_at: token.into() })
    } else {
        out(&format!("{token}\n"))
    }
}

/// Prints a value as JSON over several lines.
pub(super) fn json(value: &impl Serialize) -> Result<(), CliError> {
    out(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// A value as a line of JSON.
pub(super) fn json_line(value: &impl Serialize) -> Result<String, CliError> {
    Ok(serde_json::to_string(value)? + "\n")
}

/// Whether people read standard output.
pub(super) fn to_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Prints rows under headings.
pub(super) fn table(
    headings: &[&str],
    rows: impl Iterator<Item = Vec<String>>,
) -> Result<(), CliError> {
    let mut table = Table::new();
    table.load_style(TABLE);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_header(headings.iter().copied());
    table.add_rows(rows);
    out(&format!("{table}\n"))
}

/// Prints a remark to standard error.
pub(super) fn note(text: &str) {
    drop(writeln!(anstream::stderr().lock(), "{text}"));
}

/// Prints a prompt to standard error, on whose line the answer is typed.
pub(super) fn prompt(text: &str) {
    let mut stderr = anstream::stderr().lock();
    drop(write!(stderr, "{text}").and_then(|()| stderr.flush()));
}

/// Says why a command could not be done, and how it ends by that.
pub(super) fn failure(failure: CliError) -> Exit {
    match failure {
        CliError::Message(message) => error(message),
        CliError::OutputClosed => Exit::Success,
    }
}

/// Prints why something could not be done.
pub(super) fn error(message: impl Display) -> Exit {
    note(&format!("{} {message}", styled(BAD, "error:")));
    Exit::Error
}

/// Prints what clap has to say: help and version to standard output, wrong usage to standard error.
pub(super) fn usage(message: &clap::Error) -> Exit {
    drop(message.print());
    if message.use_stderr() { Exit::Error } else { Exit::Success }
}
