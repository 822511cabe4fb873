//! `kilwa import`.

use super::error::CliError;
use super::server_args::ServerArgs;
use super::{boolean, bulk_touch, progress, render, schema, snippet, source_files};
use crate::cli::exit::Exit;
use crate::relationship::{InvalidName, ObjectRef, Relationship, Subject};
use crate::schema::{compile, prefix};
use crate::validation::{BootstrapData, SchemaNeed};
use clap::{ArgAction, Args};
use serde::Serialize;
use std::path::PathBuf;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Validation file or schema; `-` is standard input. With --schema=false, the file needs no schema.
    file: PathBuf,
    /// Whether to write the schema.
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
    schema: bool,
    /// Whether to write the relationships, replacing caveat and expiration of existing ones.
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
    relationships: bool,
    /// Prefix for definitions and caveats without one: with shop, user becomes shop/user.
    #[arg(long, default_value = "", hide_default_value = true, value_name = "PREFIX")]
    schema_definition_prefix: String,
    /// Maximum relationships per call, reduced to the limit of the server; each call creates one revision.
    #[arg(
        long,
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    batch_size: u32,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ImportedJson {
    schema_written: bool,
    relationships: usize,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let need = if arguments.schema { SchemaNeed::Required } else { SchemaNeed::Optional };
    let BootstrapData { schema, mut relationships, .. } =
        source_files::read_all(std::slice::from_ref(&arguments.file), need)?;

    let mut schema = schema.filter(|_| arguments.schema);
    let prefix = arguments.schema_definition_prefix.trim_end_matches('/');
    if !prefix.is_empty() {
        schema = schema.map(|schema| prefixed_schema(&schema, prefix)).transpose()?;
        let prefixed = relationships.into_iter().map(|row| prefixed(row, prefix));
        relationships = prefixed.collect::<Result<_, _>>()?;
    }

    if let Some(schema) = &schema {
        schema::require_content(schema)?;
    }

    let connection = arguments.server.connect()?;
    let is_schema_written = schema.is_some();
    if let Some(schema) = schema {
        connection.write_schema(schema)?;
    }
    let count = if arguments.relationships { relationships.len() } else { 0 };
    if arguments.relationships {
        let bar = progress::counting();
        let written =
            bulk_touch::write_all(&connection, &relationships, arguments.batch_size, &bar);
        bar.finish_and_clear();
        written.map_err(|failure| {
            if !is_schema_written {
                return failure;
            }
            failure.with_remark("the schema has been written")
        })?;
    }

    if arguments.json {
        render::json(&ImportedJson { schema_written: arguments.schema, relationships: count })?;
        return Ok(Exit::Success);
    }
    let schema = if arguments.schema { "schema and " } else { "" };
    render::out(&format!("{schema}{count} relationships imported\n"))?;
    Ok(Exit::Success)
}

fn prefixed_schema(text: &str, name: &str) -> Result<String, CliError> {
    let compiled = |text: &str| {
        compile(text).map_err(|diagnostics| {
            snippet::note_all(&diagnostics);
            CliError::new("nothing was imported: the schema is invalid")
        })
    };
    let prefixed = prefix::prefixed(&compiled(text)?, name);
    compiled(&prefixed)?;
    Ok(prefixed)
}

/// The same relationship with prefixed types.
fn prefixed(row: Relationship, prefix: &str) -> Result<Relationship, InvalidName> {
    let named = |name: &str| {
        if name.contains('/') { name.to_owned() } else { format!("{prefix}/{name}") }
    };
    let object =
        |object: &ObjectRef| ObjectRef::new(named(object.object_type()), object.object_id());
    let subject = match &row.subject {
        Subject::Object(of) => Subject::Object(object(of)?),
        Subject::Userset(of, relation) => Subject::Userset(object(of)?, relation.clone()),
        Subject::Wildcard(object_type) => Subject::Wildcard(named(object_type)),
    };
    let caveat = row.caveat.clone().map(|mut caveat| {
        caveat.name = named(&caveat.name);
        caveat
    });
    Ok(Relationship { resource: object(&row.resource)?, subject, caveat, ..row })
}
