//! `kilwa health`.

use super::error::CliError;
use super::render;
use super::server_args::ServerArgs;
use crate::cli::exit::Exit;
use clap::Args;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// What to check: a gRPC service, `kilwa.writes` or `kilwa.clock`. [default: the server as a whole]
    #[arg(value_name = "SERVICE", default_value = "", hide_default_value = true)]
    service: String,
    #[command(flatten)]
    server: ServerArgs,
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let is_serving = arguments.server.connect()?.is_serving(&arguments.service)?;

    render::out(if is_serving { "SERVING\n" } else { "NOT_SERVING\n" })?;
    Ok(if is_serving { Exit::Success } else { Exit::Failure })
}
