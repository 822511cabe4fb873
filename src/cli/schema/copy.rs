//! `kilwa schema copy`.

use crate::cli::failure::Failure;
use crate::cli::remote::{Destination, Server};
use crate::cli::{Exit, render};
use clap::Args;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: Server,
    #[command(flatten)]
    destination: Destination,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let (schema, _) = arguments.source.connect()?.read_schema()?;
    let token = arguments.destination.connect()?.write_schema(schema)?;
    render::written(token, arguments.json)?;
    Ok(Exit::Success)
}
