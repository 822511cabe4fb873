//! `kilwa version`.

use super::failure::Failure;
use super::remote::Server;
use super::{Exit, render};
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
    server: Server,
}

#[derive(Serialize)]
struct Versions {
    client: &'static str,
    /// What the server says; absent when it was not asked, `null` when it does not say.
    #[serde(skip_serializing_if = "Told::is_not_asked")]
    server: Told,
}

/// What a server says of its version.
#[derive(Serialize)]
#[serde(untagged)]
enum Told {
    NotAsked,
    Unknown,
    Version(String),
}

impl Told {
    fn is_not_asked(&self) -> bool {
        matches!(self, Self::NotAsked)
    }
}

pub(super) fn run(arguments: &Arguments) -> Result<Exit, Failure> {
    let client = concat!("kilwa ", env!("CARGO_PKG_VERSION"));
    let server = if arguments.ask_server {
        let version = arguments.server.connect()?.server_version()?;
        version.map_or(Told::Unknown, Told::Version)
    } else {
        Told::NotAsked
    };
    if arguments.json {
        render::json(&Versions { client, server })?;
        return Ok(Exit::Success);
    }
    let line = match server {
        Told::NotAsked => String::new(),
        Told::Unknown => "server unknown: it does not tell its version\n".to_owned(),
        Told::Version(version) => format!("server {version}\n"),
    };
    render::out(&format!("{client}\n{line}"))?;
    Ok(Exit::Success)
}
