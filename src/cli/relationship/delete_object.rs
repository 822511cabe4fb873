//! `kilwa relationship delete-object`.

use super::requirement_args::RequirementArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::server_args::ServerArgs;
use crate::client::ObjectUseCounts;
use crate::relationship::ObjectRef;
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Object, such as document:plan or user:ann.
    object: String,
    /// Count the relationships that would be deleted, and delete nothing.
    #[arg(long)]
    dry_run: bool,
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
struct DeleteObjectJson {
    dry_run: bool,
    as_resource: u64,
    as_subject: u64,
    at: render::TokenJson,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let object: ObjectRef = arguments.object.parse()?;
    let (dry_run, required) = (arguments.dry_run, arguments.requirements.read()?);
    let connection = arguments.server.connect()?;
    let (mentions, token) = connection.delete_object(&object, dry_run, &required)?;
    let ObjectUseCounts { as_resource, as_subject } = mentions;
    if arguments.json {
        render::json(&DeleteObjectJson { dry_run, as_resource, as_subject, at: token.into() })?;
    } else {
        let done = if dry_run { "would be deleted" } else { "deleted" };
        let counts = format!("{as_resource} as resource and {as_subject} as subject");
        render::out(&format!("{counts} {done}\n{token}\n"))?;
    }
    Ok(Exit::Success)
}
