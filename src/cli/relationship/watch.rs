//! `kilwa relationship watch`.

use super::filter_args;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::server_args::ServerArgs;
use crate::client::{CallError, Connection, WatchMessage, WatchQuery};
use crate::relationship::{Context, RelationshipUpdate, Timestamp, UpdateOperation, nearest};
use crate::schema;
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(in crate::cli) struct Arguments {
    /// Resource types to watch; all types by default.
    object_types: Vec<String>,
    /// Relationships to watch, such as document:plan#viewer@user:ann, in which every part is optional; an id that ends
    /// with % matches all ids with that prefix. May be repeated.
    #[arg(long, value_name = "FILTER", conflicts_with = "object_types")]
    filter: Vec<String>,
    /// Token to resume from; without it, the watch starts at the latest revision.
    #[arg(long, value_name = "TOKEN")]
    revision: Option<String>,
    /// Report written schemas too.
    #[arg(long)]
    include_schema: bool,
    /// Report checkpoints: tokens up to which all changes have been reported.
    #[arg(long)]
    checkpoints: bool,
    /// Report expired relationships too.
    #[arg(long)]
    expirations: bool,
    /// Report who made the changes too: the name of the key, certificate or token.
    #[arg(long)]
    writers: bool,
    /// Print one JSON object per event, one per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// An event in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct WatchEventJson<'a> {
    updates: Vec<UpdateJson>,
    changes_through: render::TokenJson,
    #[serde(skip_serializing_if = "Option::is_none")]
    optional_transaction_metadata: Option<&'a Map<String, Value>>,
    schema_updated: bool,
    is_checkpoint: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    written_by: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UpdateJson {
    /// The operation in the JSON form of the gRPC response.
    operation: &'static str,
    relationship: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    expired_at: Option<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let following = WatchQuery {
        object_types: arguments.object_types.clone(),
        filters: arguments.filter.iter().map(|text| filter_args::parse(text)).collect(),
        start: arguments.revision.clone(),
        schemas: arguments.include_schema,
        checkpoints: arguments.checkpoints,
        expirations: arguments.expirations,
        writers: arguments.writers,
    };
    let connection = arguments.server.connect()?;
    let mut last = head(&connection, &following)?;
    let mut any = false;
    let print = |news: WatchMessage| {
        let printed = if arguments.json { render::json_line(&line(&news))? } else { text(&news) };
        render::out_next(&printed)?;
        (last, any) = (Some(news.token), true);
        Ok(())
    };
    let ended = connection.watch(&following, print);

    match (ended, last) {
        // In JSON, every line has its token already.
        (Ok(()), Some(token)) if !arguments.json || !any => {
            render::note(&format!("resume with `--revision {token}`"));
            Ok(Exit::Success)
        }
        (Ok(()), _) => Ok(Exit::Success),
        (Err(CliError::Message(message)), Some(token)) => {
            Err(CliError::new(format!("{message}; resume with `--revision {token}`")))
        }
        (Err(error), _) => Err(error),
    }
}

/// The token of a revision before the watch, from which it can be resumed until its first event has come; `None` for a
/// watch that resumes itself, whose types may be those of an earlier schema. An unknown type is an error: a watch of it
/// would wait for ever.
fn head(connection: &Connection, query: &WatchQuery) -> Result<Option<String>, CliError> {
    if query.start.is_some() {
        return Ok(None);
    }
    let (text, token) = match connection.read_schema() {
        Ok(read) => read,
        Err(error @ (CallError::Unreachable { .. } | CallError::Denied { .. })) => {
            return Err(error.into());
        }
        // A server without a schema, or one that lets this caller watch alone.
        Err(_) => return Ok(None),
    };

    let filtered = query.filters.iter().filter_map(|filter| filter.resource_type.as_ref());
    if let Ok(schema) = schema::compile(&text) {
        let mut watched = query.object_types.iter().chain(filtered);
        if let Some(unknown) = watched.find(|name| schema.find_definition(name).is_none()) {
            let known = schema.definitions().iter().map(|definition| definition.name.as_str());
            let near = nearest(unknown, known);
            let near = near.map_or_else(String::new, |near| format!("; did you mean `{near}`?"));
            return Err(CliError::new(format!("object definition `{unknown}` not found{near}")));
        }
    }
    Ok(Some(token))
}

fn line(news: &WatchMessage) -> WatchEventJson<'_> {
    let update = |(update, expired_at): &(RelationshipUpdate, Option<Timestamp>)| UpdateJson {
        operation: match update.operation {
            UpdateOperation::Create => "OPERATION_CREATE",
            UpdateOperation::Touch => "OPERATION_TOUCH",
            UpdateOperation::Delete => "OPERATION_DELETE",
        },
        relationship: update.relationship.to_string(),
        expired_at: expired_at.as_ref().map(ToString::to_string),
    };
    WatchEventJson {
        updates: news.updates.iter().map(update).collect(),
        changes_through: news.token.clone().into(),
        optional_transaction_metadata: news.metadata.as_ref().map(Context::as_map),
        schema_updated: news.schema_updated,
        is_checkpoint: news.is_checkpoint,
        written_by: news.writer.as_deref(),
    }
}

/// One line per change.
fn text(news: &WatchMessage) -> String {
    let word = |operation: UpdateOperation, expired: bool| match (operation, expired) {
        (_, true) => render::styled(render::DOUBTFUL, "expired"),
        (UpdateOperation::Create, false) => render::styled(render::GOOD, "create"),
        (UpdateOperation::Touch, false) => render::styled(render::GOOD, "touch"),
        (UpdateOperation::Delete, false) => render::styled(render::BAD, "delete"),
    };

    let by = news.writer.as_ref().map_or_else(String::new, |name| format!(" by {name:?}"));
    let updates = news.updates.iter();
    let mut lines: Vec<String> = updates
        .map(|(update, expired_at)| {
            let word = word(update.operation, expired_at.is_some());
            let by = if expired_at.is_none() { by.as_str() } else { "" };
            format!("{word} {}{by}\n", update.relationship)
        })
        .collect();

    if news.schema_updated {
        lines.push(format!("{}{by}\n", render::styled(render::STRONG, "schema")));
    }
    if news.is_checkpoint {
        lines.push(render::styled(render::DIM, format!("checkpoint {}", news.token)) + "\n");
    }
    lines.concat()
}
