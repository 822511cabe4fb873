//! `kilwa relationship read`.

use super::filter_args::FilterArgs;
use crate::cli::consistency_args::ConsistencyArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::server_args::ServerArgs;
use crate::relationship::Relationship;
use clap::Args;
use serde::Serialize;
use serde_json::{Map, Value};

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    #[command(flatten)]
    filter: FilterArgs,
    /// Maximum number of relationships to list; 0 for all.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    limit: u32,
    /// Print one JSON object per relationship, one per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consistency: ConsistencyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// A relationship in its parts and as one text.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RelationshipJson<'a> {
    resource: String,
    relation: &'a str,
    subject: String,
    caveat: Option<CaveatJson<'a>>,
    expires_at: Option<String>,
    relationship: String,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CaveatJson<'a> {
    caveat_name: &'a str,
    context: &'a Map<String, Value>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let connection = arguments.server.connect()?;
    let as_table = !arguments.json && render::to_terminal();

    let mut rows = Vec::new();
    let mut count = 0_u64;
    let print = |relationship: Relationship| {
        count += 1;
        if as_table {
            rows.push(row(&relationship));
            Ok(())
        } else if arguments.json {
            render::out_next(&render::json_line(&json_row(&relationship))?)
        } else {
            render::out_next(&format!("{relationship}\n"))
        }
    };

    let count_max = (arguments.limit > 0).then_some(arguments.limit);
    let filter = arguments.filter.filter();
    let consistency = arguments.consistency.resolve(&connection)?;
    connection.read(&filter, &consistency, count_max, print)?;

    if let Some(object) = arguments.filter.lone_object().filter(|_| count == 0) {
        render::note(&format!(
            "no relationship has `{object}` as its resource; to list those that have it as subject: `kilwa relationship read --subject-filter {object}`"
        ));
        return Ok(Exit::Success);
    }
    if as_table {
        render::table(&["resource", "relation", "subject", "caveat", "expires"], rows.into_iter())?;
    }
    Ok(Exit::Success)
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

fn json_row(relationship: &Relationship) -> RelationshipJson<'_> {
    RelationshipJson {
        resource: relationship.resource.to_string(),
        relation: &relationship.relation,
        subject: relationship.subject.to_string(),
        caveat: relationship.caveat.as_ref().map(|caveat| CaveatJson {
            caveat_name: &caveat.name,
            context: caveat.context.as_map(),
        }),
        expires_at: relationship.expires_at.as_ref().map(ToString::to_string),
        relationship: relationship.to_string(),
    }
}
