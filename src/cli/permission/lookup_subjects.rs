//! `kilwa permission lookup-subjects`.

use super::answer_json::{PermissionJson, missing_names};
use crate::cli::consistency_args::ConsistencyArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::render::{DIM, styled};
use crate::cli::server_args::ServerArgs;
use crate::client::{LookupSubjectsArgs, SubjectMatch};
use crate::relationship::{Context, ObjectRef, Permissionship};
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Resource, such as document:plan.
    resource: ObjectRef,
    /// Permission or relation of the resource.
    permission: String,
    /// Subject type, such as user, or type and relation of usersets, such as group#member.
    subject_type: String,
    /// Caveat context, as a JSON object.
    #[arg(long, value_name = "JSON")]
    caveat_context: Option<String>,
    /// Maximum number of subjects to list, not counting wildcards; 0 for all.
    #[arg(long, default_value_t = 0, value_name = "COUNT")]
    page_limit: u32,
    /// Cursor of the last subject of an earlier page with the same arguments, to resume after it.
    #[arg(long, value_name = "CURSOR")]
    cursor: Option<String>,
    /// Print one JSON object per subject, one per line.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    consistency: ConsistencyArgs,
    #[command(flatten)]
    server: ServerArgs,
}

/// A subject in JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SubjectJson<'a> {
    subject: String,
    #[serde(flatten)]
    item: PermissionJson,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    excluded: Vec<ExcludedSubjectJson>,
    after_result_cursor: &'a str,
}

/// A subject excluded from a wildcard.
#[derive(Serialize)]
struct ExcludedSubjectJson {
    subject: String,
    #[serde(flatten)]
    item: PermissionJson,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let (subject_type, subject_relation) =
        arguments.subject_type.split_once('#').unwrap_or((&arguments.subject_type, ""));
    let context = arguments.caveat_context.as_deref().map(Context::parse).transpose()?;
    let query = LookupSubjectsArgs {
        resource: arguments.resource.clone(),
        permission: arguments.permission.clone(),
        subject_type: subject_type.to_owned(),
        subject_relation: subject_relation.to_owned(),
        context: context.unwrap_or_default(),
        count_max: arguments.page_limit,
        cursor: arguments.cursor.clone(),
    };

    let named = |id: &str| match subject_relation {
        "" => format!("{subject_type}:{id}"),
        relation => format!("{subject_type}:{id}#{relation}"),
    };

    let (mut count, mut last) = (0, None);
    let connection = arguments.server.connect()?;
    let consistency = arguments.consistency.resolve(&connection)?;

    connection.lookup_subjects(&query, &consistency, |listed| {
        let shown = if arguments.json {
            render::json_line(&row(&listed, named))?
        } else {
            line(&listed, named)
        };
        count += u32::from(listed.object_id != "*");
        last = Some(listed.cursor);
        render::out_next(&shown)
    })?;

    if let Some(cursor) = last.filter(|_| count > 0 && count == arguments.page_limit) {
        render::note(&format!("more may follow: repeat with --cursor {cursor}"));
    }
    Ok(Exit::Success)
}

/// The subject with its missing caveat parameters, and a wildcard with its excluded subjects.
fn line(listed: &SubjectMatch, named: impl Fn(&str) -> String) -> String {
    let words = |id: &str, permissionship: &Permissionship| match missing_names(permissionship) {
        Some(lacking) => format!("{} {}", named(id), styled(DIM, format!("lacks {lacking}"))),
        None => named(id),
    };
    let excluded: Vec<String> =
        listed.excluded.iter().map(|(id, permissionship)| words(id, permissionship)).collect();
    let except = match excluded.as_slice() {
        [] => String::new(),
        all => format!(" {} {}", styled(DIM, "except"), all.join(", ")),
    };
    format!("{}{except}\n", words(&listed.object_id, &listed.permissionship))
}

fn row(listed: &SubjectMatch, named: impl Fn(&str) -> String) -> SubjectJson<'_> {
    let excluded = |(id, permissionship): &(String, Permissionship)| ExcludedSubjectJson {
        subject: named(id),
        item: PermissionJson::from_permissionship(permissionship),
    };
    SubjectJson {
        subject: named(&listed.object_id),
        item: PermissionJson::from_permissionship(&listed.permissionship),
        excluded: listed.excluded.iter().map(excluded).collect(),
        after_result_cursor: &listed.cursor,
    }
}
