//! `kilwa relationship create`, `touch` and `delete`.

use super::requirement_args::RequirementArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::input_lines::{self, InputLine};
use crate::cli::render;
use crate::cli::server_args::ServerArgs;
use crate::client::CallError;
use crate::relationship::{
    ParseError, Relationship, RelationshipUpdate, Timestamp, UpdateOperation,
};
use clap::Args;

const CAVEAT_HELP: &str = r#"The caveat under which it holds, such as 'on_day:{"day": "monday"}'"#;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// The resource, such as document:plan, or the whole relationship: document:plan#viewer@user:ann. Without it, or
    /// with -, relationships are read from standard input, one a line, in either form.
    resource: Option<String>,
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
    /// How many relationships to send in one call, or as many as the server allows; each call is one revision.
    #[arg(
        long,
        short,
        default_value_t = 1000,
        value_parser = clap::value_parser!(u32).range(1..),
        value_name = "COUNT"
    )]
    batch_size: u32,
    #[command(flatten)]
    requirements: RequirementArgs,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(operation: UpdateOperation, arguments: &Arguments) -> Result<Exit, CliError> {
    let update = |relationship| RelationshipUpdate { operation, relationship };
    let updates: Vec<_> = relationships(arguments)?.into_iter().map(update).collect();
    let connection = arguments.server.connect()?;
    let required = arguments.requirements.read()?;
    let (mut token, mut rest) = (String::new(), &updates[..]);
    let mut batch_size = arguments.batch_size;
    while !rest.is_empty() {
        let (batch, later) = rest.split_at(rest.len().min(usize::try_from(batch_size)?));
        match connection.write_if(batch, &required) {
            Ok(written) => (token, rest) = (written, later),
            Err(CallError::TooMany { max, .. }) if max < batch_size => batch_size = max,
            Err(error) => return Err(stopped(&error, updates.len() - rest.len())),
        }
    }
    render::written(token, arguments.json)?;
    Ok(Exit::Success)
}

/// A refused batch, with what became of those before it.
fn stopped(error: &CallError, done: usize) -> CliError {
    match done {
        0 => CliError::new(error),
        _ => CliError::new(format!("{error}; relationships written before that: {done}")),
    }
}

fn relationships(arguments: &Arguments) -> Result<Vec<Relationship>, CliError> {
    let lines = match (arguments.resource.as_deref(), &arguments.relation, &arguments.subject) {
        (None, ..) => input_lines::read_piped("relationship")?,
        (Some("-"), None, None) => input_lines::read_stdin("relationship")?,
        (Some(resource), Some(relation), Some(subject)) => {
            vec![InputLine::argument(&format!("{resource}#{relation}@{subject}"))]
        }
        (Some(whole), ..) => vec![InputLine::argument(whole)],
    };
    lines.iter().map(|line| relationship(line, arguments)).collect()
}

fn relationship(line: &InputLine, arguments: &Arguments) -> Result<Relationship, CliError> {
    let caveat = arguments.caveat.as_ref().map(|caveat| format!("[{caveat}]"));
    let text = format!("{}{}", line.text, caveat.unwrap_or_default());
    let mut relationship: Relationship =
        text.parse().map_err(|error: ParseError| line.wrong(error))?;
    if let Some(time) = &arguments.expires_at {
        relationship.expires_at = Some(Timestamp::parse(time)?);
    }
    Ok(relationship)
}
