//! The server of a command.

use super::data_dir::{default_data_dir, read_key};
use crate::client::{CallError, ClientTls, Connection};
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
    /// Connect without TLS, which is the default unless the endpoint starts with `https://` or one of the following is
    /// given.
    #[arg(long)]
    insecure: bool,
    /// Connect with TLS, and trust the authorities in this PEM file instead of those of the system.
    #[arg(long, env = "KILWA_CERTIFICATE_PATH", value_name = "FILE")]
    certificate_path: Option<PathBuf>,
    /// Connect with TLS, and accept any certificate: the traffic is encrypted, but the server may be anyone.
    #[arg(long)]
    no_verify_ca: bool,
    /// Connect with TLS, and present this certificate: a PEM file.
    #[arg(
        long,
        env = "KILWA_CLIENT_CERTIFICATE_PATH",
        requires = "client_key_path",
        value_name = "FILE"
    )]
    client_certificate_path: Option<PathBuf>,
    /// Private key of that certificate: a PEM file.
    #[arg(
        long,
        env = "KILWA_CLIENT_KEY_PATH",
        requires = "client_certificate_path",
        value_name = "FILE"
    )]
    client_key_path: Option<PathBuf>,
}

impl ServerArgs {
    pub(super) fn connect(&self) -> Result<Connection, CallError> {
        let is_https = self.endpoint.starts_with("https://");
        if self.insecure && is_https {
            let reason = "`--insecure` means plain text, and the endpoint starts with `https://`: leave out one of them";
            return Err(CallError::Tls(reason.to_owned()));
        }
        let identity = self.client_certificate_path.clone().zip(self.client_key_path.clone());
        let asks =
            is_https || self.certificate_path.is_some() || self.no_verify_ca || identity.is_some();
        let tls = ClientTls {
            authorities: self.certificate_path.clone(),
            identity,
            accepts_any_server: self.no_verify_ca,
        };
        let tls = (asks && !self.insecure).then_some(tls);
        connect(&self.endpoint, self.token.clone(), self.data_dir.clone(), tls.as_ref())
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
    /// Connect to that server with TLS, and trust the authorities in this PEM file.
    #[arg(long = "to-certificate-path", id = "to-certificate-path", value_name = "FILE")]
    authorities: Option<PathBuf>,
}

impl DestinationArgs {
    pub(super) fn connect(&self) -> Result<Connection, CallError> {
        let asks = self.endpoint.starts_with("https://") || self.authorities.is_some();
        let authorities = self.authorities.clone();
        let tls = asks.then_some(ClientTls { authorities, ..ClientTls::default() });
        connect(&self.endpoint, self.token.clone(), self.data_dir.clone(), tls.as_ref())
    }
}

fn connect(
    endpoint: &str,
    key: Option<String>,
    data_dir: Option<PathBuf>,
    tls: Option<&ClientTls>,
) -> Result<Connection, CallError> {
    let key = key.or_else(|| found_key(endpoint, data_dir));
    Connection::open_with(endpoint, key.as_deref(), tls)
}

/// The key in the data folder, which is sent only to this machine.
fn found_key(endpoint: &str, data_dir: Option<PathBuf>) -> Option<String> {
    is_loopback(endpoint).then(|| read_key(&data_dir.unwrap_or_else(default_data_dir))).flatten()
}

/// Whether an endpoint is a loopback address.
pub(super) fn is_loopback(endpoint: &str) -> bool {
    let address = endpoint.trim_start_matches("http://").trim_start_matches("https://");
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let is_address = || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    host == "localhost" || host == "[::1]" || is_address()
}
