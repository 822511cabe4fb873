//! `kilwa permission lookup-resources`.

use super::answer_json::MissingContextJson;
use crate::cli::consistency_args::ConsistencyArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::server_args::ServerArgs;
use crate::cli::{boolean, render};
use crate::client::{LookupResourcesArgs, PageRequest, ResourceMatch};
use crate::relationship::Context;
use clap::{ArgAction, Args};
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Resource type, such as document.
    #[arg(value_name = "TYPE")]
    resource_type: String,
    /// Permission or relation of that type.
    permission: String,
    /// Subject, such as user:ann or group:eng#member.
    subject: String,
    /// Only this resource id; may be repeated.
    #[arg(long = "id", value_name = "ID")]
    ids: Vec<String>,
    /// Only resource ids with this prefix.
    #[arg(long, default_value = "", value_name = "PREFIX")]
    id_prefix: String,
    /// Caveat context, as a JSON object.
    #[arg(long, value_name = "JSON")]
    caveat_context: Option<String>,
    /// Resources per call; 0 for all in one call.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    page_limit: u32,
    /// Cursor of the last resource of an earlier call with the same arguments, to resume after it.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Whether to print the last cursor to standard error at the end.
    #[arg(
        long,
        value_name = "BOOL",
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_value_t = true,
        default_missing_value = "true",
        value_parser = boolean::parse
    )]
    show_cursor: bool,
    /// Print one JSON object per resource, one per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consistency: ConsistencyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// A resource in the JSON form of the gRPC response.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ResourceJson {
    looked_up_at: render::TokenJson,
    resource_object_id: String,
    permissionship: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial_caveat_info: Option<MissingContextJson>,
    after_result_cursor: render::TokenJson,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let query = query(arguments)?;
    let connection = arguments.server.connect()?;
    let consistency = arguments.consistency.resolve(&connection)?;

    let mut cursor = arguments.cursor.clone();
    loop {
        let mut count = 0;
        let mut last = None;
        let page = PageRequest {
            consistency: consistency.clone(),
            count_max: arguments.page_limit,
            cursor: cursor.clone(),
        };

        connection.lookup_resources(&query, page, |it| {
            count += 1;
            last = Some(it.cursor.clone());
            print(arguments, it)
        })?;

        cursor = last.or(cursor);
        if arguments.page_limit == 0 || count < arguments.page_limit {
            break;
        }
    }

    if let Some(cursor) = cursor.filter(|_| arguments.show_cursor) {
        render::note(&format!("Last cursor: {cursor}"));
    }
    Ok(Exit::Success)
}

fn query(arguments: &Arguments) -> Result<LookupResourcesArgs, CliError> {
    let context = match &arguments.caveat_context {
        Some(json) => Context::parse(json)?,
        None => Context::default(),
    };
    Ok(LookupResourcesArgs {
        resource_type: arguments.resource_type.clone(),
        permission: arguments.permission.clone(),
        subject: arguments.subject.parse()?,
        context,
        ids: arguments.ids.clone(),
        id_prefix: arguments.id_prefix.clone(),
    })
}

fn print(arguments: &Arguments, resource: ResourceMatch) -> Result<(), CliError> {
    if arguments.json {
        return render::out_next(&render::json_line(&row(resource))?);
    }
    let ResourceMatch { id, is_conditional, missing_context, .. } = resource;
    render::out_next(&if is_conditional {
        format!("{id} (caveated, missing context: {})\n", missing_context.join(", "))
    } else {
        format!("{id}\n")
    })
}

fn row(resource: ResourceMatch) -> ResourceJson {
    let ResourceMatch { id, is_conditional, missing_context, looked_up_at, cursor } = resource;
    ResourceJson {
        looked_up_at: looked_up_at.into(),
        resource_object_id: id,
        permissionship: if is_conditional {
            "LOOKUP_PERMISSIONSHIP_CONDITIONAL_PERMISSION"
        } else {
            "LOOKUP_PERMISSIONSHIP_HAS_PERMISSION"
        },
        partial_caveat_info: MissingContextJson::from_names(missing_context),
        after_result_cursor: cursor.into(),
    }
}
