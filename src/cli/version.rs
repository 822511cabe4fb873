//! `kilwa version`.

use super::error::CliError;
use super::render;
use super::server_args::ServerArgs;
use crate::cli::exit::Exit;
use clap::Args;
use serde::Serialize;

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// Ask the server for its version too. This works with SpiceDB as well.
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
    /// What the server says; absent when it was not asked, `null` when it does not say.
    #[serde(skip_serializing_if = "ServerVersion::is_not_asked")]
    server: ServerVersion,
}

/// What a server says of its version.
#[derive(Serialize)]
#[serde(untagged)]
enum ServerVersion {
    NotAsked,
    Unknown,
    Version(String),
}

impl ServerVersion {
    fn is_not_asked(&self) -> bool {
        matches!(self, Self::NotAsked)
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, CliError> {
    let client = concat!("kilwa ", env!("CARGO_PKG_VERSION"));
    let server = if arguments.ask_server {
        let version = arguments.server.connect()?.server_version()?;
        version.map_or(ServerVersion::Unknown, ServerVersion::Version)
    } else {
        ServerVersion::NotAsked
    };
    if arguments.json {
        render::json(&VersionJson { client, server })?;
        return Ok(Exit::Success);
    }
    let line = match server {
        ServerVersion::NotAsked => String::new(),
        ServerVersion::Unknown => "server unknown: it does not tell its version\n".to_owned(),
        ServerVersion::Version(version) => format!("server {version}\n"),
    };
    render::out(&format!("{client}\n{line}"))?;
    Ok(Exit::Success)
}
