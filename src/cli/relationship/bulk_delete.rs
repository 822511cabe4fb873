//! `kilwa relationship bulk-delete`.

use super::filter_args::FilterArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::server_args::ServerArgs;
use crate::client::CallError;
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    filter: FilterArgs,
    /// How many relationships to remove in one call, or as many as the server allows; each call is one revision.
    #[arg(
        long,
        alias = "optional-limit",
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    batch_size: u32,
    /// Taken for zed's sake; nothing is asked before removing.
    #[arg(long, hide = true)]
    force: bool,
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

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let connection = arguments.server.connect()?;
    let filter = arguments.filter.filter();
    let (mut count, mut batch_size, mut cursor) = (0, arguments.batch_size, None);
    let token = loop {
        let deleted = match connection.delete(&filter, batch_size, cursor.take()) {
            Err(CallError::TooMany { max, .. }) if max < batch_size => {
                batch_size = max;
                continue;
            }
            deleted => deleted?,
        };
        count += deleted.count;
        if deleted.complete {
            break deleted.token;
        }
        cursor = deleted.cursor;
    };
    if arguments.json {
        render::json(&BulkDeleteJson { deleted: count, deleted_at: token.into() })?;
    } else {
        render::out(&format!("{count} removed\n{token}\n"))?;
    }
    Ok(Exit::Success)
}
