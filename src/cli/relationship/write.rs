//! `kilwa relationship create`, `touch` and `delete`.

use super::requirement_args::RequirementArgs;
use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::input_lines::{self, InputLine};
use crate::cli::server_args::ServerArgs;
use crate::cli::{render, time_args};
use crate::client::CallError;
use crate::relationship::{
    ParseError, Relationship, RelationshipUpdate, Timestamp, UpdateOperation,
};
use clap::Args;

const CAVEAT_HELP: &str = r#"Caveat of the relationship, such as 'on_day:{"day": "monday"}'"#;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Resource, such as document:plan, or the whole relationship: document:plan#viewer@user:ann. Without it, or with
    /// -, relationships are read from standard input, one per line, in either form.
    resource: Option<String>,
    /// Relation of the resource.
    #[arg(requires = "subject")]
    relation: Option<String>,
    /// Subject, such as user:ann, group:eng#member or user:*.
    subject: Option<String>,
    #[arg(long, value_name = "NAME[:JSON]", help = CAVEAT_HELP)]
    caveat: Option<String>,
    /// Time at which the relationship expires: 30d (from now), 2030-01-02 or 2030-01-02T03:04:05Z.
    #[arg(
        long,
        alias = "expiration-time",
        value_name = "TIME",
        value_parser = time_args::parse_future
    )]
    expires_at: Option<Timestamp>,
    /// Maximum relationships per call, reduced to the limit of the server; each call creates one revision.
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
    let mut lines = lines(arguments)?;
    let required = arguments.requirements.read()?;
    let connection = arguments.server.connect()?;
    let (mut batch_size, mut written) = (usize::try_from(arguments.batch_size)?, 0);
    let mut token = String::new();

    // Standard input may have any number of lines, so only one batch of them is in memory.
    let mut pending = Vec::new();
    loop {
        while pending.len() < batch_size
            && let Some(line) = lines.next()
        {
            let relationship = line.and_then(|line| relationship(&line, arguments));
            let relationship = relationship.map_err(|error| stopped(error, written))?;
            pending.push(RelationshipUpdate { operation, relationship });
        }
        if pending.is_empty() {
            break;
        }

        let (batch, later) = pending.split_at(pending.len().min(batch_size));
        match connection.write_if(batch, &required) {
            Ok(written_at) => token = written_at,
            Err(CallError::TooMany { max, .. }) if usize::try_from(max)? < batch_size => {
                batch_size = usize::try_from(max)?;
                continue;
            }
            Err(error) => return Err(stopped(error.into(), written)),
        }
        written += batch.len();
        pending = later.to_vec();
    }

    if written == 0 {
        return Err(CliError::new("standard input has no relationship"));
    }
    render::written(token, arguments.json)?;
    Ok(Exit::Success)
}

/// An error with the number of relationships in the batches before it, which stay written.
fn stopped(error: CliError, written: usize) -> CliError {
    match error {
        CliError::Message(message) if written > 0 => {
            CliError::new(format!("{message}; relationships written before that: {written}"))
        }
        CliError::Message(_) | CliError::OutputClosed => error,
    }
}

type Lines = Box<dyn Iterator<Item = Result<InputLine, CliError>>>;

fn lines(arguments: &Arguments) -> Result<Lines, CliError> {
    let argument = match (arguments.resource.as_deref(), &arguments.relation, &arguments.subject) {
        (None, ..) => {
            input_lines::require_piped_lines("relationship")?;
            return Ok(Box::new(input_lines::stdin()));
        }
        (Some("-"), None, None) => return Ok(Box::new(input_lines::stdin())),
        (Some(resource), Some(relation), Some(subject)) => {
            InputLine::argument(&format!("{resource}#{relation}@{subject}"))
        }
        (Some(whole), ..) => InputLine::argument(whole),
    };
    Ok(Box::new(std::iter::once(Ok(argument))))
}

fn relationship(line: &InputLine, arguments: &Arguments) -> Result<Relationship, CliError> {
    let caveat = arguments.caveat.as_ref().map(|caveat| format!("[{caveat}]"));
    let text = format!("{}{}", line.text, caveat.unwrap_or_default());
    let mut relationship: Relationship =
        text.parse().map_err(|error: ParseError| line.error(error))?;
    if let Some(time) = arguments.expires_at {
        relationship.expires_at = Some(time);
    }
    Ok(relationship)
}
