//! `kilwa relationship bulk-delete`.

use super::filter_args::FilterArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::server_args::ServerArgs;
use crate::client::{CallError, Connection, ReadConsistency};
use crate::relationship::RelationshipFilter;
use clap::Args;
use serde::Serialize;
use std::io::{self, IsTerminal as _};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    filter: FilterArgs,
    /// Maximum relationships deleted per call, reduced to the limit of the server; each call creates one revision.
    #[arg(
        long,
        alias = "optional-limit",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    batch_size: u32,
    /// Count the relationships that match, and delete nothing.
    #[arg(long)]
    dry_run: bool,
    /// Delete without asking. By default the command counts and asks when standard input is a terminal.
    #[arg(long, short, visible_alias = "force")]
    yes: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct BulkDeleteJson {
    deleted: u64,
    deleted_at: render::TokenJson,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct MatchCountJson {
    dry_run: bool,
    matching: u64,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let connection = arguments.server.connect()?;
    let filter = arguments.filter.filter();
    if arguments.dry_run {
        return report_count(arguments, matching(&connection, &filter)?);
    }
    if !arguments.yes && io::stdin().is_terminal() {
        require_confirmation(matching(&connection, &filter)?)?;
    }

    let (count, token) = delete(&connection, &filter, arguments.batch_size)?;
    if arguments.json {
        render::json(&BulkDeleteJson { deleted: count, deleted_at: token.into() })?;
    } else {
        render::out(&format!("{count} deleted\n{token}\n"))?;
    }
    Ok(Exit::Success)
}

/// The number of relationships that a filter selects.
fn matching(connection: &Connection, filter: &RelationshipFilter) -> Result<u64, CliError> {
    let mut count = 0;
    connection.read(filter, &ReadConsistency::FullyConsistent, None, |_| {
        count += 1;
        Ok::<_, CliError>(())
    })?;
    Ok(count)
}

fn report_count(arguments: &Arguments, matching: u64) -> Result<Exit, CliError> {
    if arguments.json {
        render::json(&MatchCountJson { dry_run: true, matching })?;
    } else {
        render::out(&format!("{matching} would be deleted\n"))?;
    }
    Ok(Exit::Success)
}

fn require_confirmation(matching: u64) -> Result<(), CliError> {
    render::prompt(&format!("delete {matching} relationships? [y/N] "));
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    match answer.trim() {
        "y" | "Y" | "yes" => Ok(()),
        _ => Err(CliError::new("nothing was deleted")),
    }
}

/// Deletes in as many calls as the server needs; returns the number of relationships and the last token.
fn delete(
    connection: &Connection,
    filter: &RelationshipFilter,
    mut batch_size: u32,
) -> Result<(u64, String), CliError> {
    let (mut count, mut cursor) = (0, None);
    loop {
        let deleted = match connection.delete(filter, batch_size, cursor.take()) {
            Err(CallError::TooMany { max, .. }) if max < batch_size => {
                batch_size = max;
                continue;
            }
            deleted => deleted?,
        };

        count += deleted.count;
        if deleted.complete {
            return Ok((count, deleted.token));
        }
        cursor = deleted.cursor;
    }
}
