//! The server of a command.

use super::data_dir::{default_data_dir, read_key};
use crate::client::{CallError, Connection};
use clap::Args;
use std::net::Ipv4Addr;
use std::path::PathBuf;

/// Where a server serves and where commands look for it, unless told otherwise.
pub(super) const DEFAULT_ENDPOINT: &str = "127.0.0.1:50051";

/// The server to connect to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct ServerArgs {
    /// Address of the server.
    #[arg(
        long,
        env = "KILWA_ENDPOINT",
        default_value = DEFAULT_ENDPOINT,
        value_name = "HOST:PORT"
    )]
    endpoint: String,
    /// Preshared key; for a server on this machine, the key in its data folder by default.
    #[arg(long, env = "KILWA_TOKEN", hide_env_values = true, value_name = "KEY")]
    token: Option<String>,
    /// Data folder of a server on this machine, which contains its key.
    #[arg(long, env = "KILWA_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Connect without TLS; TLS is not supported yet.
    #[arg(long, hide = true)]
    insecure: bool,
}

impl ServerArgs {
    pub(super) fn connect(&self) -> Result<Connection, CallError> {
        connect(&self.endpoint, self.token.clone(), self.data_dir.clone())
    }
}

/// The server to write to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Destination")]
pub(super) struct DestinationArgs {
    /// Address of the server to write to.
    #[arg(long = "to-endpoint", id = "to-endpoint", value_name = "HOST:PORT")]
    endpoint: String,
    /// Preshared key of that server; on this machine, the key in its data folder by default.
    #[arg(
        long = "to-token",
        id = "to-token",
        env = "KILWA_TO_TOKEN",
        hide_env_values = true,
        value_name = "KEY"
    )]
    token: Option<String>,
    /// Data folder of that server, on this machine, which contains its key.
    #[arg(long = "to-data-dir", id = "to-data-dir", value_name = "DIR")]
    data_dir: Option<PathBuf>,
}

impl DestinationArgs {
    pub(super) fn connect(&self) -> Result<Connection, CallError> {
        connect(&self.endpoint, self.token.clone(), self.data_dir.clone())
    }
}

fn connect(
    endpoint: &str,
    key: Option<String>,
    data_dir: Option<PathBuf>,
) -> Result<Connection, CallError> {
    let key = key.or_else(|| found_key(endpoint, data_dir));
    Connection::open(endpoint, key.as_deref())
}

/// The key in the data folder, which is sent only to this machine.
fn found_key(endpoint: &str, data_dir: Option<PathBuf>) -> Option<String> {
    is_loopback(endpoint).then(|| read_key(&data_dir.unwrap_or_else(default_data_dir))).flatten()
}

/// Whether an endpoint is a loopback address.
pub(super) fn is_loopback(endpoint: &str) -> bool {
    let address = endpoint.strip_prefix("http://").unwrap_or(endpoint);
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let is_address = || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    host == "localhost" || host == "[::1]" || is_address()
}
