//! `kilwa relationship history`.

use super::filter_args::OptionalFilterArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::server_args::ServerArgs;
use crate::cli::time_args::parse_past;
use crate::client::{ChangeReport, HistoryFilter};
use crate::relationship::{Context, Timestamp, UpdateOperation};
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    filter: OptionalFilterArgs,
    /// Only changes since this time, such as 2026-11-24, 2026-11-24T14:05:00Z or 5m.
    #[arg(long, value_name = "TIME", value_parser = parse_past)]
    since: Option<Timestamp>,
    /// Only changes until this time.
    #[arg(long, value_name = "TIME", value_parser = parse_past)]
    until: Option<Timestamp>,
    /// Maximum number of changes to list; 0 for all.
    #[arg(long, default_value_t = 100, value_name = "COUNT")]
    limit: u64,
    /// Print one JSON object per change, one per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

/// A change in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChangeJson<'a> {
    time: String,
    /// The operation in the JSON form of the gRPC response; `null` for a write of the schema.
    operation: Option<&'static str>,
    relationship: Option<String>,
    written_by: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    optional_transaction_metadata: Option<&'a Map<String, Value>>,
    schema_updated: bool,
    written_at: render::TokenJson,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let connection = arguments.server.connect()?;
    let filter = HistoryFilter {
        filter: arguments.filter.history_filter(),
        since: arguments.since,
        until: arguments.until,
    };
    let count_max = if arguments.limit == 0 { u64::MAX } else { arguments.limit };
    let mut count = 0_u64;
    let print = |change: ChangeReport| {
        count += 1;
        let printed =
            if arguments.json { render::json_line(&json(&change))? } else { text(&change) };
        render::out_next(&printed)
    };
    let kept_after = connection.history(&filter, count_max, print)?;

    if count >= count_max {
        render::note(&format!(
            "there may be more than these {count} changes: raise --limit, or narrow --since"
        ));
    }
    if let Some(time) = kept_after.filter(|kept| arguments.since.is_none_or(|since| since < *kept))
    {
        render::note(&format!("the server keeps no changes up to {time}"));
    }
    Ok(Exit::Success)
}

/// Time, change, relationship and writer, in one line.
fn text(change: &ChangeReport) -> String {
    let operation = change.update.as_ref().map(|update| update.operation);
    let word = match operation {
        Some(UpdateOperation::Create) => render::styled(render::GOOD, "create"),
        Some(UpdateOperation::Touch) => render::styled(render::GOOD, "touch"),
        Some(UpdateOperation::Delete) => render::styled(render::BAD, "delete"),
        None => render::styled(render::STRONG, "schema"),
    };

    let parts = [
        Some(render::styled(render::DIM, change.time)),
        Some(word),
        change.update.as_ref().map(|update| update.relationship.to_string()),
        // Quoted, because a name may have blanks and a terminal may take control characters for commands.
        change.writer.as_ref().map(|writer| format!("by {writer:?}")),
        change.metadata.as_ref().map(|metadata| format!("with {metadata}")),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ") + "\n"
}

fn json(change: &ChangeReport) -> ChangeJson<'_> {
    let operation = change.update.as_ref().map(|update| match update.operation {
        UpdateOperation::Create => "OPERATION_CREATE",
        UpdateOperation::Touch => "OPERATION_TOUCH",
        UpdateOperation::Delete => "OPERATION_DELETE",
    });
    ChangeJson {
        time: change.time.to_string(),
        operation,
        relationship: change.update.as_ref().map(|update| update.relationship.to_string()),
        written_by: change.writer.as_deref(),
        optional_transaction_metadata: change.metadata.as_ref().map(Context::as_map),
        schema_updated: change.update.is_none(),
        written_at: change.token.clone().into(),
    }
}
