//! `kilwa relationship delete-object`.

use super::requirements::Requirements;
use crate::cli::failure::Failure;
use crate::cli::remote::Server;
use crate::cli::{Exit, render};
use crate::client::Mentions;
use crate::relationship::ObjectRef;
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The object, such as document:plan or user:ann.
    object: String,
    /// Only count what would be removed.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    requirements: Requirements,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: Server,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Removed {
    dry_run: bool,
    as_resource: u64,
    as_subject: u64,
    at: render::Token,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let object: ObjectRef = arguments.object.parse()?;
    let (dry_run, required) = (arguments.dry_run, arguments.requirements.read()?);
    let connection = arguments.server.connect()?;
    let (mentions, token) = connection.delete_object(&object, dry_run, &required)?;
    let Mentions { as_resource, as_subject } = mentions;
    if arguments.json {
        render::json(&Removed { dry_run, as_resource, as_subject, at: token.into() })?;
    } else {
        let done = if dry_run { "would be removed" } else { "removed" };
        let counts = format!("{as_resource} as resource and {as_subject} as subject");
        render::out(&format!("{counts} {done}\n{token}\n"))?;
    }
    Ok(Exit::Success)
}
