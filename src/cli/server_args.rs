//! The server of a command.

use super::data_dir::{default_data_dir, read_key};
use super::registration::registered_data_dir;
use crate::client::{CallError, ClientTls, Connection};
use crate::config::KEY_FILE;
use clap::Args;
use std::env;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

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
    /// Preshared key. Without it, the key of the server that the same user runs at that address, or else the key in the
    /// data folder; sent only to this machine.
    #[arg(long, env = "KILWA_TOKEN", hide_env_values = true, value_name = "KEY")]
    token: Option<String>,
    /// Data folder of a server on this machine, which contains its key. [default: that of the server that the same user
    /// runs at that address, or else `kilwa` in the user's folder for application data]
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
    #[command(flatten)]
    served: ServedArgs,
}

/// What the environment says to a server that is started in it.
#[derive(Debug, Args)]
struct ServedArgs {
    /// Where it listens.
    #[arg(long = "served-address", id = "served-address", env = "KILWA_GRPC_ADDR", hide = true)]
    address: Option<String>,
    /// Its certificate. With it, it speaks TLS.
    #[arg(
        long = "served-certificate-path",
        id = "served-certificate-path",
        env = "KILWA_GRPC_TLS_CERT_PATH",
        hide = true
    )]
    certificate_path: Option<PathBuf>,
    /// The key of its certificate.
    #[arg(
        long = "served-key-path",
        id = "served-key-path",
        env = "KILWA_GRPC_TLS_KEY_PATH",
        hide = true
    )]
    key_path: Option<PathBuf>,
    /// The authorities of the client certificates that it requires.
    #[arg(
        long = "served-client-ca-path",
        id = "served-client-ca-path",
        env = "KILWA_GRPC_TLS_CLIENT_CA_PATH",
        hide = true
    )]
    client_ca_path: Option<PathBuf>,
}

impl ServedArgs {
    /// Where it is reached from this machine.
    fn endpoint(&self) -> Option<String> {
        let (host, port) = self.address.as_ref()?.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        let host = if ["", "0.0.0.0", "[::]"].contains(&host) { "127.0.0.1" } else { host };
        Some(format!("{host}:{port}"))
    }

    fn has_tls(&self) -> bool {
        is_set(self.certificate_path.as_ref())
    }

    /// The server's own certificate, which it accepts of a client too, where it requires one.
    fn identity(&self) -> Option<(PathBuf, PathBuf)> {
        let requires = is_set(self.client_ca_path.as_ref());
        let pair = self.certificate_path.clone().zip(self.key_path.clone());
        pair.filter(|_| requires)
    }
}

/// A variable that is empty counts as not set.
fn is_set(path: Option<&PathBuf>) -> bool {
    path.is_some_and(|path| !path.as_os_str().is_empty())
}

impl ServerArgs {
    /// Connects to ask whether a server serves. Unless an endpoint or TLS is given, in the environment of a server, such as a container, that is this
    /// server, and its certificate is not examined: a probe learns nothing that needs protection. Where the server requires a certificate, the probe
    /// shows the one that it was given, or else the server's own.
    pub(super) fn connect_probe(&self) -> Result<Connection, CallError> {
        let is_given = self.endpoint != DEFAULT_ENDPOINT
            || self.insecure
            || self.certificate_path.is_some()
            || self.no_verify_ca
            || (self.client_certificate_path.is_some() && !self.served.has_tls());
        let served = self.served.endpoint();
        if is_given || (served.is_none() && !self.served.has_tls()) {
            return self.connect();
        }

        let endpoint = served.as_deref().unwrap_or(DEFAULT_ENDPOINT);
        let given = self.identity();
        let identity = given.or_else(|| self.served.identity());
        let tls = ClientTls { identity, accepts_any_server: true, ..ClientTls::default() };
        Connection::open_with(endpoint, None, self.served.has_tls().then_some(&tls))
    }

    /// The client's own certificate and its key, if they are given.
    fn identity(&self) -> Option<(PathBuf, PathBuf)> {
        self.client_certificate_path.clone().zip(self.client_key_path.clone())
    }

    pub(super) fn connect(&self) -> Result<Connection, CallError> {
        let is_https = self.endpoint.starts_with("https://");
        if self.insecure && is_https {
            let reason = "`--insecure` means plain text, and the endpoint starts with `https://`: leave out one of them";
            return Err(CallError::Tls(reason.to_owned()));
        }

        let identity = self.identity();
        let asks =
            is_https || self.certificate_path.is_some() || self.no_verify_ca || identity.is_some();
        let tls = ClientTls {
            authorities: self.certificate_path.clone(),
            identity,
            accepts_any_server: self.no_verify_ca,
        };
        let tls = (asks && !self.insecure).then_some(tls);

        let names = KeyNames {
            token: "--token",
            token_variables: &["KILWA_TOKEN", "ZED_TOKEN"],
            data_dir: "KILWA_DATA_DIR or `--data-dir`",
        };
        let server = NamedServer { endpoint: &self.endpoint, tls: tls.as_ref() };
        connect(server, self.token.as_deref(), self.data_dir.as_deref(), &names)
    }
}

/// The server to write to.
#[derive(Debug, Args)]
#[command(next_help_heading = "Destination")]
pub(super) struct DestinationArgs {
    /// Address of the server to write to.
    #[arg(long = "to-endpoint", id = "to-endpoint", value_name = "HOST:PORT")]
    endpoint: String,
    /// Preshared key of that server; on this machine, by default the key in its data folder.
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
        let names = KeyNames {
            token: "--to-token",
            token_variables: &["KILWA_TO_TOKEN"],
            data_dir: "`--to-data-dir`",
        };
        let server = NamedServer { endpoint: &self.endpoint, tls: tls.as_ref() };
        connect(server, self.token.as_deref(), self.data_dir.as_deref(), &names)
    }
}

/// Where to connect to, and how.
#[derive(Clone, Copy)]
struct NamedServer<'a> {
    endpoint: &'a str,
    tls: Option<&'a ClientTls>,
}

fn connect(
    server: NamedServer<'_>,
    token: Option<&str>,
    data_dir: Option<&Path>,
    names: &KeyNames,
) -> Result<Connection, CallError> {
    let (key, source) = match token {
        Some(token) => (Some(token.to_owned()), names.source(token)),
        None => found_key(server.endpoint, data_dir),
    };
    // A folder counts only without a key, and for this machine; one that was given is named as the source.
    let may_name_folder = token.is_none() && data_dir.is_none() && is_loopback(server.endpoint);
    let hint = format!("{source}: {}", names.remedy(may_name_folder));
    Ok(Connection::open_with(server.endpoint, key.as_deref(), server.tls)?.with_key_hint(hint))
}

/// The key in the data folder of a server on this machine, and a sentence about its source. It is sent to no other machine.
fn found_key(endpoint: &str, data_dir: Option<&Path>) -> (Option<String>, String) {
    if !is_loopback(endpoint) {
        return (None, "none is sent to another machine by itself".to_owned());
    }
    let registered = || {
        let (host, port) = address(endpoint).rsplit_once(':')?;
        registered_data_dir(host, port.parse().ok()?)
    };
    let data_dir = data_dir.map(Path::to_owned).or_else(registered);
    let data_dir = data_dir.unwrap_or_else(default_data_dir);

    let file = data_dir.join(KEY_FILE);
    match read_key(&data_dir) {
        Some(key) => (Some(key), format!("the key that was sent is from `{}`", file.display())),
        None => (None, format!("there is no readable key in `{}`", file.display())),
    }
}

/// The flags and variables that give a key.
struct KeyNames {
    token: &'static str,
    token_variables: &'static [&'static str],
    data_dir: &'static str,
}

impl KeyNames {
    /// A sentence about where a given key came from.
    fn source(&self, token: &str) -> String {
        let holds = |name: &&&str| env::var_os(name).is_some_and(|value| value == token);
        match self.token_variables.iter().find(holds) {
            Some(variable) => format!("the key that was sent is from the variable {variable}"),
            None => format!("the key that was sent is from `{}`", self.token),
        }
    }

    fn remedy(&self, may_name_folder: bool) -> String {
        let Self { token, token_variables, data_dir } = self;
        let variable = token_variables.first().copied().unwrap_or_default();
        let folder = format!(
            ", or {data_dir} to its data folder, where a server that generated its key keeps it in `{KEY_FILE}`"
        );
        let folder = if may_name_folder { folder.as_str() } else { "" };
        format!("set {variable} or `{token}` to the key of the server{folder}")
    }
}

/// Host and port of an endpoint.
fn address(endpoint: &str) -> &str {
    endpoint.trim_start_matches("http://").trim_start_matches("https://")
}

/// Whether an endpoint is a loopback address.
pub(super) fn is_loopback(endpoint: &str) -> bool {
    let address = address(endpoint);
    let host = address.rsplit_once(':').map_or(address, |(host, _)| host);
    let is_address = || host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback());
    host == "localhost" || host == "[::1]" || is_address()
}
