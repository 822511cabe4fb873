//! Which server a command speaks to.

use super::folder::{default_data_dir, read_key};
use crate::client::{CallError, Connection};
use clap::Args;
use std::path::PathBuf;

/// Which server to speak to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Server")]
pub(super) struct Server {
    /// Address of the server.
    #[arg(
        long,
        env = "KILWA_ENDPOINT",
        default_value = "127.0.0.1:50051",
        value_name = "HOST:PORT"
    )]
    endpoint: String,
    /// Preshared key; for a server on this machine it is found in the data folder.
    #[arg(long, env = "KILWA_TOKEN", hide_env_values = true, value_name = "KEY")]
    token: Option<String>,
    /// Folder in which a server on this machine left its key.
    #[arg(long, env = "KILWA_DATA_DIR", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Speak without TLS, which is the only way so far.
    #[arg(long)]
    insecure: bool,
}

impl Server {
    pub(super) fn connect(&self) -> Result<Connection, CallError> {
        let key = self.token.clone().or_else(|| self.found_key());
        Connection::open(&self.endpoint, key.as_deref())
    }

    /// The key in the data folder, which no other machine gets to see.
    fn found_key(&self) -> Option<String> {
        let address = self.endpoint.strip_prefix("http://").unwrap_or(&self.endpoint);
        let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
        let local = host == "localhost" || host == "[::1]" || is_loopback(host);
        let data_dir = || self.data_dir.clone().unwrap_or_else(default_data_dir);
        local.then(|| read_key(&data_dir())).flatten()
    }
}

fn is_loopback(host: &str) -> bool {
    host.parse::<std::net::Ipv4Addr>().is_ok_and(|address| address.is_loopback())
}
