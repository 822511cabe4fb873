//! `kilwa schema write --dry-run`: the changes of a schema write, and the reasons why it would be refused.

use super::change_row::ChangeRow;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render::{BAD, styled};
use crate::cli::{render, snippet};
use crate::client::{CallError, Connection, ReadConsistency};
use crate::relationship::Relationship;
use crate::schema::diff::changes;
use crate::schema::removals::{Removal, removals};
use crate::schema::{self, Schema};
use serde::Serialize;

/// The result as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DryRunJson<'a> {
    changes: Vec<ChangeRow<'a>>,
    /// Why the server would reject the schema; empty when it would accept it.
    rejections: Vec<String>,
    would_be_written: bool,
}

/// Compares a schema with that of the server and looks for relationships that forbid the write.
pub(super) fn run(connection: &Connection, text: &str, as_json: bool) -> Result<Exit, CliError> {
    let current_text = match connection.read_schema() {
        Ok((text, _)) => text,
        Err(CallError::NoSchema(_)) => String::new(),
        Err(error) => return Err(error.into()),
    };
    let current = compile(&current_text, "the schema of the server cannot be compared")?;
    let new = compile(text, "the server would reject the schema")?;

    let changes = changes(&current, &new);
    let rejections = rejections(connection, &current, &new)?;
    let exit = if rejections.is_empty() { Exit::Success } else { Exit::Failure };
    if as_json {
        let changes = changes.iter().map(ChangeRow::new).collect();
        let would_be_written = rejections.is_empty();
        render::json(&DryRunJson { changes, rejections, would_be_written })?;
        return Ok(exit);
    }

    for change in &changes {
        render::out(&ChangeRow::new(change).text())?;
    }
    for rejection in &rejections {
        render::out(&format!("{} {rejection}\n", styled(BAD, "rejected:")))?;
    }
    render::out(match (rejections.is_empty(), changes.is_empty()) {
        (true, true) => "nothing would change; nothing was written\n",
        (true, false) => "the server would accept the schema; nothing was written\n",
        (false, _) => "the server would reject the schema; nothing was written\n",
    })?;
    Ok(exit)
}

fn compile(text: &str, failure: &str) -> Result<Schema, CliError> {
    schema::compile(text).map_err(|diagnostics| {
        snippet::note_all(&diagnostics);
        CliError::new(failure)
    })
}

/// Why the server would reject the schema, by the same rules as the server's.
fn rejections(
    connection: &Connection,
    current: &Schema,
    new: &Schema,
) -> Result<Vec<String>, CliError> {
    let mut rejections = Vec::new();
    for removal in removals(current, new) {
        let example = find_user(connection, &removal)?;
        if example.is_some() || removal.is_always_forbidden() {
            rejections.push(removal.message(example.as_ref()));
        }
    }
    Ok(rejections)
}

/// Why a read ends before the last relationship.
enum ReadEnd {
    Found(Box<Relationship>),
    Error(CallError),
}

impl From<CallError> for ReadEnd {
    fn from(error: CallError) -> Self {
        Self::Error(error)
    }
}

/// A stored relationship that a removal would orphan.
fn find_user(
    connection: &Connection,
    removal: &Removal,
) -> Result<Option<Relationship>, CallError> {
    for filter in removal.filters() {
        // The error ends the stream: one relationship is enough.
        let read =
            connection.read(&filter, &ReadConsistency::FullyConsistent, None, |relationship| {
                if removal.matches(&relationship) {
                    Err(ReadEnd::Found(Box::new(relationship)))
                } else {
                    Ok(())
                }
            });
        match read {
            Ok(()) => {}
            Err(ReadEnd::Found(relationship)) => return Ok(Some(*relationship)),
            Err(ReadEnd::Error(error)) => return Err(error),
        }
    }
    Ok(None)
}
