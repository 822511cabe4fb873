//! `kilwa relationship create`, `touch` and `delete`.

use crate::api::proto::authzed::api::v1::relationship_update::Operation;
use crate::api::proto::authzed::api::v1::{RelationshipUpdate, WriteRelationshipsRequest};
use crate::cli::remote::{Connection, Failure};
use crate::cli::{Exit, lines, message, render};
use crate::relationship::{Relationship, Timestamp, UpdateOperation};
use clap::Args;
use serde_json::json;

const CAVEAT_HELP: &str = r#"The caveat under which it holds, such as 'on_day:{"day": "monday"}'"#;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The resource, such as document:plan; or the whole relationship: document:plan#viewer@user:ann; or - for
    /// relationships from standard input, one a line.
    resource: String,
    /// The relation.
    #[arg(requires = "subject")]
    relation: Option<String>,
    /// The subject, such as user:ann, group:eng#member or user:*.
    subject: Option<String>,
    #[arg(long, value_name = "NAME[:JSON]", help = CAVEAT_HELP)]
    caveat: Option<String>,
    /// The time from which it no longer holds, such as 2030-01-02T03:04:05Z.
    #[arg(long, alias = "expiration-time", value_name = "TIME")]
    expires_at: Option<String>,
    /// How many relationships to send in one call; each call is one revision.
    #[arg(long, short, default_value_t = 1000, value_name = "COUNT")]
    batch_size: usize,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    connection: Connection,
}

pub(super) fn run(operation: UpdateOperation, arguments: &Arguments) -> Result<Exit, Failure> {
    let relationships = relationships(arguments)?;
    let remote = arguments.connection.open()?;
    let operation = match operation {
        UpdateOperation::Create => Operation::Create,
        UpdateOperation::Touch => Operation::Touch,
        UpdateOperation::Delete => Operation::Delete,
    };
    let mut token = String::new();
    for batch in relationships.chunks(arguments.batch_size.max(1)) {
        let update = |relationship| RelationshipUpdate {
            operation: operation.into(),
            relationship: Some(message::relationship(relationship)),
        };
        let request = WriteRelationshipsRequest {
            updates: batch.iter().map(update).collect(),
            ..WriteRelationshipsRequest::default()
        };
        let response = remote.wait(remote.permissions().write_relationships(request))?;
        token = message::token(response.written_at);
    }
    render::out(&if arguments.json {
        format!("{:#}\n", json!({ "writtenAt": { "token": token } }))
    } else {
        format!("{token}\n")
    });
    Ok(Exit::Success)
}

fn relationships(arguments: &Arguments) -> Result<Vec<Relationship>, Failure> {
    let texts = match (&*arguments.resource, &arguments.relation, &arguments.subject) {
        ("-", None, None) => lines::read_stdin()?,
        (resource, Some(relation), Some(subject)) => {
            vec![format!("{resource}#{relation}@{subject}")]
        }
        (whole, ..) => vec![whole.to_owned()],
    };
    texts.iter().map(|text| relationship(text, arguments)).collect()
}

fn relationship(text: &str, arguments: &Arguments) -> Result<Relationship, Failure> {
    let caveat = arguments.caveat.as_ref().map(|caveat| format!("[{caveat}]"));
    let text = format!("{text}{}", caveat.unwrap_or_default());
    let mut relationship: Relationship = text.parse().map_err(Failure::new)?;
    if let Some(time) = &arguments.expires_at {
        relationship.expires_at = Some(Timestamp::parse(time).map_err(Failure::new)?);
    }
    Ok(relationship)
}
