//! `kilwa schema copy`.

use crate::cli::error::CliError;
use crate::cli::exit::Exit;
use crate::cli::render;
use crate::cli::server_args::{DestinationArgs, ServerArgs};
use clap::Args;

#[derive(Debug, Args)]
pub(in crate::cli) struct Arguments {
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    source: ServerArgs,
    #[command(flatten)]
    destination: DestinationArgs,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let (schema, _) = arguments.source.connect()?.read_schema()?;
    let token = arguments.destination.connect()?.write_schema(schema)?;
    render::written(token, arguments.json)?;
    Ok(Exit::Success)
}
