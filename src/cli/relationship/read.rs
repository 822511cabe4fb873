//! `kilwa relationship read`.

use super::filter::Filter;
use crate::api::proto::authzed::api::v1::{Cursor, ReadRelationshipsRequest};
use crate::cli::remote::{Connection, Failure, Remote};
use crate::cli::{Exit, consistency, message, render};
use crate::relationship::Relationship;
use clap::Args;
use serde_json::{Value, json};

/// How many relationships are asked for in one call.
const PAGE: u32 = 1000;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    filter: Filter,
    /// The most relationships to list; 0 for all.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    limit: u32,
    /// Print a JSON object for each relationship, one a line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consistency: consistency::Flags,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let remote = arguments.connection.open()?;
    let as_table = !arguments.json && render::to_terminal();
    let mut rows = Vec::new();
    read(&remote, arguments, |relationship| {
        if as_table {
            rows.push(row(&relationship));
        } else if arguments.json {
            render::out(&format!("{}\n", to_json(&relationship)));
        } else {
            render::out(&format!("{relationship}\n"));
        }
    })?;
    if as_table {
        render::table(&["resource", "relation", "subject", "caveat", "expires"], rows.into_iter());
    }
    Ok(Exit::Success)
}

/// Reads page after page, all at the moment of the first.
fn read(
    remote: &Remote,
    arguments: &Arguments,
    mut take: impl FnMut(Relationship),
) -> Result<(), Failure> {
    let mut left = if arguments.limit == 0 { u32::MAX } else { arguments.limit };
    let mut cursor: Option<Cursor> = None;
    while left > 0 {
        let page = left.min(PAGE);
        let request = ReadRelationshipsRequest {
            consistency: Some(arguments.consistency.message()),
            relationship_filter: Some(arguments.filter.message()),
            optional_limit: page,
            optional_cursor: cursor.take(),
        };
        let stream = remote.wait(remote.permissions().read_relationships(request))?;
        let mut count = 0;
        let mut unreadable = Ok(());
        remote.each(stream, |response| {
            count += 1;
            cursor = response.after_result_cursor;
            match message::to_relationship(response.relationship.unwrap_or_default()) {
                Ok(relationship) => take(relationship),
                Err(failure) => unreadable = Err(failure),
            }
        })?;
        unreadable?;
        if count < page || cursor.is_none() {
            return Ok(());
        }
        left -= page;
    }
    Ok(())
}

fn row(relationship: &Relationship) -> Vec<String> {
    let caveat = relationship.caveat.as_ref().map(ToString::to_string);
    let expires = relationship.expires_at.as_ref().map(ToString::to_string);
    vec![
        relationship.resource.to_string(),
        relationship.relation.clone(),
        relationship.subject.to_string(),
        caveat.unwrap_or_default(),
        expires.unwrap_or_default(),
    ]
}

fn to_json(relationship: &Relationship) -> Value {
    let caveat = relationship
        .caveat
        .as_ref()
        .map(|caveat| json!({ "caveatName": caveat.name, "context": caveat.context.as_map() }));
    json!({
        "resource": relationship.resource.to_string(),
        "relation": relationship.relation,
        "subject": relationship.subject.to_string(),
        "caveat": caveat,
        "expiresAt": relationship.expires_at.as_ref().map(ToString::to_string),
        "relationship": relationship.to_string(),
    })
}
