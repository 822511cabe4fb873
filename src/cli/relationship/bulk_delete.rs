//! `kilwa relationship bulk-delete`.

use super::filter::Filter;
use crate::api::proto::authzed::api::v1::DeleteRelationshipsRequest;
use crate::api::proto::authzed::api::v1::delete_relationships_response::DeletionProgress;
use crate::cli::remote::{Connection, Failure};
use crate::cli::{Exit, message, render};
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    filter: Filter,
    /// How many relationships to remove in one call; each call is one revision.
    #[arg(long, alias = "optional-limit", default_value_t = 1000, value_name = "COUNT")]
    batch_size: u32,
    /// Taken for zed's sake; nothing is asked before removing.
    #[arg(long, hide = true)]
    force: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let remote = arguments.connection.open()?;
    let mut count = 0;
    let token = loop {
        let request = DeleteRelationshipsRequest {
            relationship_filter: Some(arguments.filter.message()),
            optional_limit: arguments.batch_size.max(1),
            optional_allow_partial_deletions: true,
            ..DeleteRelationshipsRequest::default()
        };
        let response = remote.wait(remote.permissions().delete_relationships(request))?;
        count += response.relationships_deleted_count;
        match response.deletion_progress() {
            DeletionProgress::Partial => {}
            DeletionProgress::Complete | DeletionProgress::Unspecified => {
                break message::token(response.deleted_at);
            }
        }
    };
    render::out(&if arguments.json {
        format!("{:#}\n", json!({ "deleted": count, "deletedAt": { "token": token } }))
    } else {
        format!("{count} removed\n{token}\n")
    });
    Ok(Exit::Success)
}
