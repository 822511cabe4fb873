//! `kilwa permission check`.

use super::answer_json::{PermissionJson, missing_names, word};
use crate::cli::consistency_args::ConsistencyArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::server_args::ServerArgs;
use crate::cli::{render, tree};
use crate::client::{CheckAnswer, PermissionCheck};
use crate::relationship::{Context, parse_relationship_key};
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Resource, such as document:plan, or the whole check: document:plan#view@user:ann.
    resource: String,
    /// Permission or relation of the resource.
    #[arg(requires = "subject")]
    permission: Option<String>,
    /// Subject, such as user:ann or group:eng#member.
    subject: Option<String>,
    /// Caveat context, as a JSON object.
    #[arg(long, value_name = "JSON")]
    caveat_context: Option<String>,
    /// Explain the result.
    #[arg(long)]
    explain: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    /// Exit with 1 unless the result is true.
    #[arg(long)]
    error_on_no_permission: bool,
    #[command(flatten)]
    consistency: ConsistencyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// A result with the token of its revision.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct CheckJson {
    checked_at: render::TokenJson,
    #[serde(flatten)]
    item: PermissionJson,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let query = query(arguments)?;
    let connection = arguments.server.connect()?;
    let consistency = arguments.consistency.resolve(&connection)?;
    let (answer, token) = connection.check(&query, &consistency, arguments.explain)?;
    if arguments.json {
        render::json(&CheckJson { checked_at: token.into(), item: PermissionJson::new(&answer) })?;
    } else {
        print(&answer)?;
    }
    let denied = !answer.permissionship.is_granted();
    let fails = arguments.error_on_no_permission && denied;
    Ok(if fails { Exit::Failure } else { Exit::Success })
}

fn query(arguments: &Arguments) -> Result<PermissionCheck, CliError> {
    let text = match (&arguments.permission, &arguments.subject) {
        (Some(permission), Some(subject)) => {
            format!("{}#{permission}@{subject}", arguments.resource)
        }
        _ => arguments.resource.clone(),
    };
    let (resource, permission, subject) = parse_relationship_key(&text)?;
    let context = match &arguments.caveat_context {
        Some(json) => Context::parse(json)?,
        None => Context::default(),
    };
    Ok(PermissionCheck { resource, permission, subject, context })
}

fn print(answer: &CheckAnswer) -> Result<(), CliError> {
    render::out(&format!("{}\n", word(&answer.permissionship)))?;
    if let Some(names) = missing_names(&answer.permissionship) {
        render::note(&format!("the result depends on {names}: set it with --caveat-context"));
    }
    match &answer.evidence {
        Some(evidence) => render::out(&tree::draw(evidence, "")),
        None => Ok(()),
    }
}
