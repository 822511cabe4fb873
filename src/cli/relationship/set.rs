//! `kilwa relationship set`.

use super::requirement_args::RequirementArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::server_args::ServerArgs;
use crate::relationship::{ObjectRef, ParseError, Relationship};
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Resource, such as document:plan.
    resource: String,
    /// Relation of the resource.
    relation: String,
    /// New subjects of the relation, such as user:ann or group:eng#member, each optionally followed by a caveat or
    /// expiration in square brackets. Without any, the relation is emptied.
    subjects: Vec<String>,
    #[command(flatten)]
    requirements: RequirementArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SetJson {
    written_at: render::TokenJson,
    added: Vec<String>,
    changed: Vec<String>,
    removed: Vec<String>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let Arguments { resource, relation, subjects, .. } = arguments;
    let object: ObjectRef = resource.parse()?;
    let relationship = |subject: &String| -> Result<Relationship, ParseError> {
        format!("{resource}#{relation}@{subject}").parse()
    };
    let wanted: Vec<Relationship> = subjects.iter().map(relationship).collect::<Result<_, _>>()?;

    let required = arguments.requirements.read()?;
    let connection = arguments.server.connect()?;
    let (set, token) = connection.set_relation(&object, relation, &wanted, &required)?;

    let texts = |relationships: &[Relationship]| {
        relationships.iter().map(Relationship::to_string).collect::<Vec<_>>()
    };
    let (added, changed, removed) = (texts(&set.added), texts(&set.changed), texts(&set.removed));

    if arguments.json {
        render::json(&SetJson { written_at: token.into(), added, changed, removed })?;
        return Ok(Exit::Success);
    }

    let marked = |style, mark, relationships: Vec<String>| {
        let line = move |relationship| format!("{} {relationship}\n", render::styled(style, mark));
        relationships.into_iter().map(line)
    };
    let lines = marked(render::GOOD, "+", added)
        .chain(marked(render::DOUBTFUL, "~", changed))
        .chain(marked(render::BAD, "-", removed));
    render::out(&format!("{}{token}\n", lines.collect::<String>()))?;
    Ok(Exit::Success)
}
