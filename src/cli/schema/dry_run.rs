//! `kilwa schema write --dry-run`: the changes of a schema write, and the reasons why it would be refused.

use super::change_row::ChangeRow;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render::{BAD, styled};
use crate::cli::{render, snippet};
use crate::client::{CallError, Connection, ReadConsistency};
use crate::relationship::{Relationship, RelationshipFilter, SubjectRelationFilter};
use crate::schema::diff::changes;
use crate::schema::removals::{Removal, removals};
use crate::schema::{self, Schema};
use serde::Serialize;
use std::ops::Not;

/// The result as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DryRunJson<'a> {
    changes: Vec<ChangeRow<'a>>,
    /// Why the server would reject the schema; empty when it would accept it.
    rejections: Vec<String>,
    would_be_written: bool,
    /// Whether the roles of the key include a part of the relationships only, so that others may make the server reject the schema.
    #[serde(skip_serializing_if = "Not::not")]
    limited_key: bool,
}

/// What a key can say of the relationships that forbid a write.
struct DryRunFindings {
    rejections: Vec<String>,
    /// Whether its roles include a part of the relationships only.
    is_partial: bool,
}

const PARTIAL: &str = "the roles of the key include a part of the data only: other relationships may be in the way; \
                       use a key that may call ReadRelationships on all data\n";

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
    let DryRunFindings { rejections, is_partial } =
        findings(connection, &removals(&current, &new))?;
    let exit = if rejections.is_empty() { Exit::Success } else { Exit::Failure };
    if as_json {
        let changes = changes.iter().map(ChangeRow::new).collect();
        let would_be_written = rejections.is_empty();
        let limited_key = is_partial;
        render::json(&DryRunJson { changes, rejections, would_be_written, limited_key })?;
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
        (true, false) if is_partial => {
            "no relationship that the key may read makes the server reject the schema; nothing was written\n"
        }
        (true, false) => "the server would accept the schema; nothing was written\n",
        (false, _) => "the server would reject the schema; nothing was written\n",
    })?;
    if is_partial {
        render::out(PARTIAL)?;
    }
    Ok(exit)
}

fn compile(text: &str, failure: &str) -> Result<Schema, CliError> {
    schema::compile(text).map_err(|diagnostics| {
        snippet::note_all(&diagnostics);
        CliError::new(failure)
    })
}

/// Why the server would reject the schema, by the same rules as the server's.
fn findings(connection: &Connection, removals: &[Removal]) -> Result<DryRunFindings, CliError> {
    let mut rejections = Vec::new();
    for removal in removals {
        let (example, count) = find_users(connection, removal)?;
        if example.is_none() && !removal.is_always_forbidden() {
            continue;
        }
        let message = removal.message(example.as_ref());
        rejections.push(match (deletion(removal), count) {
            (Some(command), 1..) => {
                format!("{message} (relationships in the way: {count}; `{command}` deletes them)")
            }
            (_, 1..) => format!("{message} (relationships in the way: {count})"),
            (_, 0) => message,
        });
    }

    let is_partial = match removals.iter().flat_map(Removal::filters).next() {
        Some(filter) => !connection.reads_everything(&filter)?,
        None => false,
    };
    Ok(DryRunFindings { rejections, is_partial })
}

/// One of the stored relationships that a removal would orphan, and their number.
fn find_users(
    connection: &Connection,
    removal: &Removal,
) -> Result<(Option<Relationship>, u64), CallError> {
    let (mut example, mut count) = (None, 0);
    for filter in removal.filters() {
        connection.read(&filter, &ReadConsistency::FullyConsistent, None, |relationship| {
            if removal.matches(&relationship) {
                count += 1;
                example.get_or_insert(relationship);
            }
            Ok::<_, CallError>(())
        })?;
    }
    Ok((example, count))
}

/// The command that deletes the relationships in the way of a removal, where one deletes just these.
fn deletion(removal: &Removal) -> Option<String> {
    let commands: Vec<String> = removal.filters().iter().filter_map(command).collect();
    (!commands.is_empty()).then(|| commands.join("` and `"))
}

fn command(filter: &RelationshipFilter) -> Option<String> {
    let command = "kilwa relationship bulk-delete";
    let subject = filter.subject.as_ref().map(|subject| {
        let id = subject.subject_id.as_ref().map(|id| format!(":{id}"));
        let relation = match &subject.relation {
            SubjectRelationFilter::Any => String::new(),
            SubjectRelationFilter::Itself => "#...".to_owned(),
            SubjectRelationFilter::Named(relation) => format!("#{relation}"),
        };
        format!("{}{}{relation}", subject.subject_type, id.unwrap_or_default())
    });
    match (&filter.resource_type, &filter.relation, subject) {
        (Some(resource), None, None) => Some(format!("{command} {resource}")),
        (Some(resource), Some(relation), None) => Some(format!("{command} {resource} {relation}")),
        (Some(resource), Some(relation), Some(subject)) => {
            Some(format!("{command} {resource} {relation} '{subject}'"))
        }
        (None, None, Some(subject)) => Some(format!("{command} --subject-filter '{subject}'")),
        _ => None,
    }
}
