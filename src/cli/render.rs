//! All output of commands.
//!
//! Texts contain ANSI styles, which are removed unless the output is a terminal, or if `NO_COLOR` is set.

use super::error::CliError;
use crate::cli::exit::Exit;
use crate::telemetry::{self, LogFormat};
use anstream::adapter::strip_str;
use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde::Serialize;
use std::fmt::Display;
use std::io::{BufWriter, IsTerminal, Write};
use std::sync::atomic::{AtomicBool, Ordering};

pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const DIM: Style = Style::new().dimmed();
pub(super) const STRONG: Style = Style::new().bold();

/// Tables have a line below the header and no other lines.
const TABLE: TableStyle =
    TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// A text in a style.
pub(super) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Prints to standard output. A closed output is ignored, so that it does not change the exit code.
pub(super) fn out(text: &str) -> Result<(), CliError> {
    match out_next(text) {
        Err(CliError::OutputClosed) => Ok(()),
        done => done,
    }
}

/// Prints one of many texts to standard output. A closed output is reported, so that no more are fetched.
pub(super) fn out_next(text: &str) -> Result<(), CliError> {
    let mut stdout = anstream::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| CliError::from_output(&error))
}

/// Standard output for bytes that are not text.
pub(super) fn binary_out() -> impl Write {
    BufWriter::new(std::io::stdout().lock())
}

/// A token in the JSON form of the gRPC response.
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

/// Prints a value as indented JSON.
pub(super) fn json(value: &impl Serialize) -> Result<(), CliError> {
    out(&format!("{}\n", serde_json::to_string_pretty(value)?))
}

/// A value as a line of JSON.
pub(super) fn json_line(value: &impl Serialize) -> Result<String, CliError> {
    Ok(serde_json::to_string(value)? + "\n")
}

/// Whether standard output is a terminal.
pub(super) fn to_terminal() -> bool {
    std::io::stdout().is_terminal()
}

/// Prints a table.
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

/// Prints a note to standard error.
pub(super) fn note(text: &str) {
    if is_logged(text) {
        return;
    }
    drop(writeln!(anstream::stderr().lock(), "{text}"));
}

/// Prints a prompt to standard error, without a line break.
pub(super) fn prompt(text: &str) {
    let mut stderr = anstream::stderr().lock();
    drop(write!(stderr, "{text}").and_then(|()| stderr.flush()));
}

/// Reports the error of a command and returns its exit code.
pub(super) fn failure(failure: CliError) -> Exit {
    match failure {
        CliError::Message(message) => error(message),
        CliError::OutputClosed => Exit::Success,
    }
}

/// Whether errors are lines of the log in JSON.
static LOGS_ERRORS: AtomicBool = AtomicBool::new(false);

/// From now on errors are lines of the log in JSON, as what reads the log of a server expects.
pub(super) fn log_errors() {
    LOGS_ERRORS.store(true, Ordering::Relaxed);
}

/// Writes an error to the log, if that is where errors go.
fn is_logged(message: &str) -> bool {
    if !LOGS_ERRORS.load(Ordering::Relaxed) {
        return false;
    }
    // The server may have started it before, with a level of its own.
    drop(telemetry::start(LogFormat::Json, "error"));
    let message = strip_str(message).to_string();
    tracing::error!("{}", message.trim());
    true
}

/// Prints an error message.
pub(super) fn error(message: impl Display) -> Exit {
    let message = message.to_string();
    if is_logged(&message) {
        return Exit::Error;
    }
    note(&format!("{} {message}", styled(BAD, "error:")));
    Exit::Error
}

/// Prints the message of clap: help and version to standard output, usage errors to standard error.
pub(super) fn usage(message: &clap::Error) -> Exit {
    let is_error = message.use_stderr();
    let text = message.render().to_string();
    if is_error && is_logged(text.strip_prefix("error: ").unwrap_or(&text)) {
        return Exit::Error;
    }
    drop(message.print());
    if is_error { Exit::Error } else { Exit::Success }
}
