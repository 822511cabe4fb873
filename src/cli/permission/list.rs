//! `kilwa permission list`.

use super::answer_json::{PermissionJson, missing_names, word};
use crate::cli::consistency_args::ConsistencyArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::server_args::ServerArgs;
use crate::client::{CheckAnswer, ListPermissionsArgs};
use crate::relationship::{Context, ObjectRef, Subject};
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Resource, such as document:plan.
    resource: ObjectRef,
    /// Subject, such as user:ann or group:eng#member.
    subject: Subject,
    /// Permission or relation to check; may be repeated. Without any, all permissions are checked.
    #[arg(long = "permission", value_delimiter = ',', value_name = "NAME")]
    permissions: Vec<String>,
    /// Caveat context, as a JSON object.
    #[arg(long, value_name = "JSON")]
    caveat_context: Option<String>,
    /// Print the results as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consistency: ConsistencyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// All results with the token of their revision.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ListJson<'a> {
    checked_at: render::TokenJson,
    permissions: Vec<ListedPermissionJson<'a>>,
}

#[derive(Serialize)]
struct ListedPermissionJson<'a> {
    permission: &'a str,
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    item: Option<PermissionJson>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let context = match &arguments.caveat_context {
        Some(json) => Context::parse(json)?,
        None => Context::default(),
    };

    let connection = arguments.server.connect()?;
    let consistency = arguments.consistency.resolve(&connection)?;
    let listing = ListPermissionsArgs {
        resource: arguments.resource.clone(),
        subject: arguments.subject.clone(),
        context,
        permissions: arguments.permissions.clone(),
    };

    let listed = connection.list_permissions(&listing, &consistency)?;

    if arguments.json {
        let permissions = listed.permissions.iter().map(row).collect();
        render::json(&ListJson { checked_at: listed.token.into(), permissions })?;
    } else {
        let lines: String = listed.permissions.iter().map(line).collect();
        render::out(&lines)?;
    }

    let any_error = listed.permissions.iter().any(|(_, answer)| answer.is_err());
    Ok(if any_error { Exit::Error } else { Exit::Success })
}

fn row((permission, answer): &(String, Result<CheckAnswer, String>)) -> ListedPermissionJson<'_> {
    let (item, error) = match answer {
        Ok(answer) => (Some(PermissionJson::new(answer)), None),
        Err(error) => (None, Some(error.as_str())),
    };
    ListedPermissionJson { permission, item, error }
}

/// `view true`, `edit caveated (missing_names `day`)` or `share error (…)`.
fn line((permission, answer): &(String, Result<CheckAnswer, String>)) -> String {
    match answer {
        Err(error) => format!("{permission} error ({error})\n"),
        Ok(answer) => match missing_names(&answer.permissionship) {
            Some(names) => {
                format!("{permission} {} (lacks {names})\n", word(&answer.permissionship))
            }
            None => format!("{permission} {}\n", word(&answer.permissionship)),
        },
    }
}
