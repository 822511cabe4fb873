//! The server of a command.

use super::data_dir::{default_data_dir, read_key};
use super::registration::registered_data_dir;
use super::token_file;
use crate::client::{CallError, ClientTls, Connection, ServerFlags};
use crate::config::KEY_FILE;
use clap::Args;
use std::env;
use std::ffi::OsStr;
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
    /// File with the preshared key, so that it is in no list of processes; blanks and line breaks around it are left out. A
    /// `--token` on the command line counts before this flag, and this flag before `KILWA_TOKEN` and `KILWA_TOKEN_FILE`.
    #[arg(long, env = "KILWA_TOKEN_FILE", value_name = "FILE")]
    token_file: Option<PathBuf>,
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
        let tls = self.tls()?;
        let server = NamedServer { endpoint: &self.endpoint, tls: tls.as_ref() };
        connect(server, self.given_key(), &KEY_NAMES)
    }

    /// The server and its key, for a command that speaks plain text without a client of gRPC.
    pub(super) fn plain(&self) -> Result<PlainServer, CallError> {
        if self.tls()?.is_some() {
            let reason = "this command speaks plain text only: start a server without TLS on this machine to measure it";
            return Err(CallError::Tls(reason.to_owned()));
        }
        let (key, _) = key_and_source(&self.endpoint, self.given_key(), &KEY_NAMES)?;
        Ok(PlainServer { endpoint: address(&self.endpoint).to_owned(), key })
    }

    /// How to speak TLS, if that is wanted.
    fn tls(&self) -> Result<Option<ClientTls>, CallError> {
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
        Ok((asks && !self.insecure).then_some(tls))
    }

    fn given_key(&self) -> GivenKey<'_> {
        GivenKey {
            token: self.token.as_deref(),
            token_file: self.token_file.as_deref(),
            data_dir: self.data_dir.as_deref(),
        }
    }
}

/// A server without TLS.
pub(super) struct PlainServer {
    /// Host and port.
    pub(super) endpoint: String,
    pub(super) key: Option<String>,
}

/// How the key of the server of a command is given.
const KEY_NAMES: KeyNames = KeyNames {
    token: "--token",
    token_variables: &["KILWA_TOKEN", "ZED_TOKEN"],
    token_file: "--token-file",
    token_file_variable: "KILWA_TOKEN_FILE",
    data_dir: "KILWA_DATA_DIR or `--data-dir`",
};

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
    /// File with the preshared key of that server. A `--to-token` on the command line counts before this flag, and this flag
    /// before `KILWA_TO_TOKEN` and `KILWA_TO_TOKEN_FILE`.
    #[arg(
        long = "to-token-file",
        id = "to-token-file",
        env = "KILWA_TO_TOKEN_FILE",
        value_name = "FILE"
    )]
    token_file: Option<PathBuf>,
    /// Data folder of that server, on this machine, which contains its key.
    #[arg(long = "to-data-dir", id = "to-data-dir", value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// Connect to that server with TLS, and trust the authorities in this PEM file.
    #[arg(long = "to-certificate-path", id = "to-certificate-path", value_name = "FILE")]
    authorities: Option<PathBuf>,
    /// Connect to that server with TLS, and present this certificate: a PEM file.
    #[arg(
        long = "to-client-certificate-path",
        id = "to-client-certificate-path",
        requires = "to-client-key-path",
        value_name = "FILE"
    )]
    certificate: Option<PathBuf>,
    /// Private key of that certificate: a PEM file.
    #[arg(
        long = "to-client-key-path",
        id = "to-client-key-path",
        requires = "to-client-certificate-path",
        value_name = "FILE"
    )]
    key: Option<PathBuf>,
}

impl DestinationArgs {
    pub(super) fn connect(&self) -> Result<Connection, CallError> {
        let identity = self.certificate.clone().zip(self.key.clone());
        let asks = self.endpoint.starts_with("https://")
            || self.authorities.is_some()
            || identity.is_some();

        let authorities = self.authorities.clone();
        let tls = asks.then_some(ClientTls { authorities, identity, accepts_any_server: false });
        let names = KeyNames {
            token: "--to-token",
            token_variables: &["KILWA_TO_TOKEN"],
            token_file: "--to-token-file",
            token_file_variable: "KILWA_TO_TOKEN_FILE",
            data_dir: "`--to-data-dir`",
        };
        let server = NamedServer { endpoint: &self.endpoint, tls: tls.as_ref() };
        let given = GivenKey {
            token: self.token.as_deref(),
            token_file: self.token_file.as_deref(),
            data_dir: self.data_dir.as_deref(),
        };
        Ok(connect(server, given, &names)?.with_flags(ServerFlags::Destination))
    }
}

/// Where to connect to, and how.
#[derive(Clone, Copy)]
struct NamedServer<'a> {
    endpoint: &'a str,
    tls: Option<&'a ClientTls>,
}

/// What flags and variables say of the key.
#[derive(Clone, Copy)]
struct GivenKey<'a> {
    token: Option<&'a str>,
    token_file: Option<&'a Path>,
    data_dir: Option<&'a Path>,
}

fn connect(
    server: NamedServer<'_>,
    given: GivenKey<'_>,
    names: &KeyNames,
) -> Result<Connection, CallError> {
    let (key, source) = key_and_source(server.endpoint, given, names)?;
    // A folder counts only without a key, and for this machine; one that was given is named as the source.
    let is_found = given.token.is_none() && given.token_file.is_none();
    let may_name_folder = is_found && given.data_dir.is_none() && is_loopback(server.endpoint);
    let hint = format!("{source}: {}", names.remedy(may_name_folder));
    Ok(Connection::open_with(server.endpoint, key.as_deref(), server.tls)?.with_key_hint(hint))
}

/// The key for a server, and a sentence about its source.
fn key_and_source(
    endpoint: &str,
    given: GivenKey<'_>,
    names: &KeyNames,
) -> Result<(Option<String>, String), CallError> {
    // A flag counts before variables, and Kilwa's own variables before those of zed.
    let is_file_first = |token: &str, file: &Path| match names.token_variable(token) {
        None => false,
        Some(variable) => {
            names.token_variables.first() != Some(&variable)
                || !is_value_of(names.token_file_variable, file.as_os_str())
        }
    };
    Ok(match (given.token, given.token_file) {
        (Some(token), Some(file)) if is_file_first(token, file) => in_file(file)?,
        (Some(token), _) => (Some(token.to_owned()), names.source(token)),
        (None, Some(file)) => in_file(file)?,
        (None, None) => found_key(endpoint, given.data_dir),
    })
}

/// The key in a file, and a sentence about its source.
fn in_file(file: &Path) -> Result<(Option<String>, String), CallError> {
    let key = token_file::read(file)?;
    Ok((Some(key), format!("the key that was sent is from `{}`", file.display())))
}

/// Whether a variable has this value, which a flag then has from it.
fn is_value_of(variable: &str, value: &OsStr) -> bool {
    env::var_os(variable).is_some_and(|found| found == value)
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
    token_file: &'static str,
    token_file_variable: &'static str,
    data_dir: &'static str,
}

impl KeyNames {
    /// The variable that has a key, if it is from one.
    fn token_variable(&self, token: &str) -> Option<&str> {
        let mut variables = self.token_variables.iter().copied();
        variables.find(|variable| is_value_of(variable, OsStr::new(token)))
    }

    /// A sentence about where a given key came from.
    fn source(&self, token: &str) -> String {
        match self.token_variable(token) {
            Some(variable) => format!("the key that was sent is from the variable {variable}"),
            None => format!("the key that was sent is from `{}`", self.token),
        }
    }

    fn remedy(&self, may_name_folder: bool) -> String {
        let Self { token, token_variables, token_file, data_dir, .. } = self;
        let variable = token_variables.first().copied().unwrap_or_default();
        let given = format!("set {variable} or `{token}` to the key of the server");
        if may_name_folder {
            format!(
                "{given}, `{token_file}` to a file with it, or {data_dir} to its data folder, where a server that generated \
                 its key keeps it in `{KEY_FILE}`"
            )
        } else {
            format!("{given}, or `{token_file}` to a file with it")
        }
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
