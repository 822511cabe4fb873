//! `kilwa version`.

use super::error::CliError;
use super::render;
use super::server_args::ServerArgs;
use crate::cli::exit::Exit;
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Print the version of the server too (Kilwa or SpiceDB).
    #[arg(long = "server", alias = "include-remote-version")]
    ask_server: bool,
    /// Print the result as JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    server: ServerArgs,
}

#[derive(Serialize)]
struct VersionJson {
    client: &'static str,
    /// The version of the server; absent without `--server`, `null` if the server does not report it.
    #[serde(skip_serializing_if = "ServerVersion::is_not_requested")]
    server: ServerVersion,
}

/// The version that a server reports.
#[derive(Serialize)]
#[serde(untagged)]
enum ServerVersion {
    NotRequested,
    Unknown,
    Version(String),
}

impl ServerVersion {
    fn is_not_requested(&self) -> bool {
        matches!(self, Self::NotRequested)
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let client = concat!("kilwa ", env!("CARGO_PKG_VERSION"));
    let server = if arguments.ask_server {
        let version = arguments.server.connect()?.server_version()?;
        version.map_or(ServerVersion::Unknown, ServerVersion::Version)
    } else {
        ServerVersion::NotRequested
    };

    if arguments.json {
        render::json(&VersionJson { client, server })?;
        return Ok(Exit::Success);
    }

    let line = match server {
        ServerVersion::NotRequested => String::new(),
        ServerVersion::Unknown => "server unknown: it does not report its version\n".to_owned(),
        ServerVersion::Version(version) => format!("server {version}\n"),
    };
    render::out(&format!("{client}\n{line}"))?;
    Ok(Exit::Success)
}
