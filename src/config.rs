//! What a server needs to know, as plain values.

use crate::access::{Callers, CallersError};
use crate::api::{ApiOptions, Keys, OverloadOptions, RequestIds, RequestLimits, WatchOptions};
use crate::audit::{AuditLog, AuditOptions};
use crate::database::DatabaseOptions;
use crate::file_mode::FileMode;
use crate::http::HttpOptions;
use crate::metrics::CallMetrics;
use crate::relationship::Relationship;
use crate::store::StoreOptions;
use crate::traces::TraceOptions;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// The name of the file in the data folder that keeps the key which a server made for itself.
pub const KEY_FILE: &str = "preshared.key";
/// How many random bytes make a key.
const KEY_BYTES: usize = 32;

/// What a server needs to know. [`Config::new`] has the defaults; every field can be set.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where relationships and schemas are kept.
    pub data_dir: PathBuf,
    /// The preshared keys; when there is none, the server makes one and keeps it in the data folder.
    pub keys: Vec<String>,
    /// The file with keys, certificates and roles.
    pub access_file: Option<PathBuf>,
    /// The file that maps requests of a proxy to checks; external authorization (`ext_authz`) is served with one.
    pub ext_authz_file: Option<PathBuf>,
    /// Where calls are recorded, and how.
    pub audit: AuditOptions,
    /// Which calls are traced, and where the spans go.
    pub traces: TraceOptions,
    /// How the store works.
    pub store: StoreOptions,
    /// Whether a store with a damaged log is opened without the writes that cannot be read, instead of being refused.
    pub recover_log: bool,
    /// How the database works.
    pub database: DatabaseOptions,
    /// How much a request may hold.
    pub requests: RequestLimits,
    /// How many requests are worked on at once; others wait.
    pub threads_max: u16,
    /// Which calls are refused because of the load.
    pub overload: OverloadOptions,
    /// How long a stream may go without a result.
    pub stream_idle_max: Duration,
    /// How long the client of an import may send nothing.
    pub import_idle_max: Duration,
    /// How long all results of a stream may wait for the client, together. Meanwhile what it reads cannot be collected.
    pub stream_client_wait_max: Duration,
    /// How patient the server is with those who watch.
    pub watch: WatchOptions,
    /// How many connections there may be, and how long they may do nothing.
    pub connections: ConnectionOptions,
    /// How the listener protects what it sends and receives.
    pub transport: TransportSecurity,
    /// The HTTP listener, if there is one.
    pub http: Option<HttpListenerOptions>,
    /// How often old history is dropped; a millisecond or longer, anything shorter counts as that.
    pub garbage_collection_interval: Duration,
    /// Metrics, probes and profiles.
    pub metrics: MetricsOptions,
    /// From when on a call is logged as slow, at `info`.
    pub slow_call: Duration,
    /// Time that a call without a deadline may take, unless its request or response is a stream.
    pub call_time_max: Duration,
    /// How long the server still accepts calls after it was told to stop, with its health at `NOT_SERVING`.
    pub shutdown_drain_delay: Duration,
    /// How long calls may still take after the server was told to stop.
    pub shutdown_grace: Duration,
    /// What an empty store starts with.
    pub bootstrap: Option<Bootstrap>,
    /// How far the clock may be ahead of the store's last use at the start, and jump ahead later.
    pub clock_ahead_max: Duration,
    /// Whether the clock is right however far ahead it is.
    pub accept_clock: bool,
    /// Whether calls that write are refused. The bootstrap is loaded all the same.
    pub read_only: bool,
}

/// How many connections there may be, and how long they may do nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionOptions {
    /// Maximum open connections. Without one, as many as the limit of open files leaves room for, up to a bound.
    pub max: Option<u32>,
    /// How long a new connection may take to begin HTTP/2.
    pub handshake_timeout: Duration,
    /// How long a connection may be open without a call.
    pub idle_timeout: Duration,
    /// How often a silent client of HTTP/2 is asked whether it is still there.
    pub keepalive_interval: Duration,
    /// How long its answer to that may take.
    pub keepalive_timeout: Duration,
    /// Maximum concurrent calls on one connection. Client libraries hold others back until one of these has ended. Watches
    /// count, so the default allows for an application that holds hundreds of them on one connection.
    pub calls_max: u32,
}

impl Default for ConnectionOptions {
    fn default() -> Self {
        Self {
            max: None,
            handshake_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(5),
            keepalive_interval: Duration::from_secs(30),
            keepalive_timeout: Duration::from_secs(20),
            calls_max: 1_000,
        }
    }
}

/// Where and how HTTP is served. [`HttpListenerOptions::default`] has the defaults; every field can be set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpListenerOptions {
    /// Where to listen.
    pub address: String,
    /// How the listener protects what it sends and receives.
    pub transport: TransportSecurity,
    /// The most bytes of a request's headers.
    pub header_bytes_max: u32,
    /// How long the headers of a request may take, and the first bytes of a connection.
    pub header_timeout: Duration,
    /// How long a connection may be open without a request.
    pub idle_timeout: Duration,
    /// Whether the listener answers gRPC, too.
    pub serves_grpc: bool,
    /// How requests are answered.
    pub requests: HttpOptions,
}

impl Default for HttpListenerOptions {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:8443".to_owned(),
            transport: TransportSecurity::default(),
            header_bytes_max: 16 << 10,
            header_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_mins(5),
            serves_grpc: false,
            requests: HttpOptions::default(),
        }
    }
}

/// How a listener protects what it sends and receives.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum TransportSecurity {
    /// Not at all, and so it serves this machine alone.
    #[default]
    LoopbackPlaintext,
    /// Not at all, also at addresses that other machines can reach.
    Plaintext,
    /// With TLS.
    Tls(TlsFiles),
}

/// The files of a listener's TLS, in PEM form. They are read again when they change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate, followed by those between it and its authority.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of client certificates, which are then required of each client.
    pub client_ca: Option<PathBuf>,
}

/// What an empty store starts with.
#[derive(Clone, Debug, PartialEq)]
pub struct Bootstrap {
    /// The schema's text.
    pub schema: String,
    /// The relationships.
    pub relationships: Vec<Relationship>,
}

/// Where a server's keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum KeySource {
    /// They were given.
    Given,
    /// They lie in this access file, and some may have been given too.
    AccessFile(PathBuf),
    /// An earlier run made one; it lies in this file.
    Kept(PathBuf),
    /// This run made one; it lies in this file.
    Made(PathBuf),
}

/// Keys that a server cannot start with.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The given keys are of no use, or the access file.
    #[error(transparent)]
    Given(#[from] CallersError),
    /// The kept key is of no use.
    #[error("the key in `{}` cannot be used: {source}; delete the file to have a new key made", .path.display())]
    Kept {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: CallersError,
    },
    /// The file of the kept key cannot be read or written.
    #[error("the key file `{}` cannot be used: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The system gives no random bytes.
    #[error("no key can be made: {0}")]
    Random(getrandom::Error),
}

/// Metrics, probes and profiles over HTTP.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MetricsOptions {
    /// Where they are served, as host and port; nowhere without it.
    pub address: Option<String>,
    /// How these connections are protected.
    pub transport: TransportSecurity,
    /// Whether profiles of processor and memory are served too.
    pub profiles: bool,
}

impl Config {
    /// The usual server on this data folder.
    pub fn new(data_dir: impl Into<PathBuf>) -> Self {
        Self {
            data_dir: data_dir.into(),
            keys: Vec::new(),
            access_file: None,
            ext_authz_file: None,
            audit: AuditOptions::default(),
            traces: TraceOptions::default(),
            store: StoreOptions::default(),
            recover_log: false,
            database: DatabaseOptions::default(),
            requests: RequestLimits::default(),
            threads_max: 64,
            overload: OverloadOptions::default(),
            stream_idle_max: Duration::from_secs(30),
            import_idle_max: Duration::from_mins(1),
            stream_client_wait_max: Duration::from_mins(10),
            watch: WatchOptions::default(),
            connections: ConnectionOptions::default(),
            transport: TransportSecurity::default(),
            http: None,
            metrics: MetricsOptions::default(),
            garbage_collection_interval: Duration::from_mins(3),
            slow_call: Duration::from_secs(1),
            call_time_max: Duration::from_mins(5),
            shutdown_drain_delay: Duration::ZERO,
            shutdown_grace: Duration::from_secs(5),
            bootstrap: None,
            clock_ahead_max: Duration::from_hours(168),
            accept_clock: false,
            read_only: false,
        }
    }

    /// The same with one more preshared key.
    #[must_use]
    pub fn with_key(mut self, key: impl Into<String>) -> Self {
        self.keys.push(key.into());
        self
    }

    /// The same with what an empty store starts with.
    #[must_use]
    pub fn with_bootstrap(
        self,
        schema: impl Into<String>,
        relationships: Vec<Relationship>,
    ) -> Self {
        Self { bootstrap: Some(Bootstrap { schema: schema.into(), relationships }), ..self }
    }

    /// The same with another time that running calls get to end when the server stops.
    #[must_use]
    pub fn with_shutdown_grace(self, shutdown_grace: Duration) -> Self {
        Self { shutdown_grace, ..self }
    }

    /// The part of the configuration that the services need, for callers with one of these keys and with this audit log.
    pub fn api_options(
        &self,
        keys: Keys,
        request_ids: RequestIds,
        audit: Option<AuditLog>,
    ) -> ApiOptions {
        ApiOptions {
            keys,
            limits: self.requests,
            stream_idle_max: self.stream_idle_max,
            import_idle_max: self.import_idle_max,
            stream_client_wait_max: self.stream_client_wait_max,
            watch: self.watch,
            request_ids,
            slow_call: self.slow_call,
            call_time_max: self.call_time_max,
            calls: Arc::new(CallMetrics::new()),
            audit,
            traces: None,
        }
    }

    /// The keys that callers must show. There are always some: when none was given, the one in the data folder, which is
    /// made on first use. The folder has to exist. An access file is a source of keys too.
    pub fn load_keys(&self) -> Result<(Keys, KeySource), KeyError> {
        if let Some(file) = &self.access_file {
            let callers = Callers::new(&self.keys, Some(file))?;
            return Ok((Keys::of(Arc::new(callers)), KeySource::AccessFile(file.clone())));
        }
        if !self.keys.is_empty() {
            return Ok((Keys::new(&self.keys)?, KeySource::Given));
        }

        let path = self.data_dir.join(KEY_FILE);
        let file_error = |source| KeyError::File { path: path.clone(), source };
        match fs::read_to_string(&path) {
            Ok(text) => {
                warn_when_open(&path);
                let keys = Keys::new(&[text.trim().to_owned()])
                    .map_err(|source| KeyError::Kept { path: path.clone(), source })?;
                Ok((keys, KeySource::Kept(path)))
            }
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let key = random_key()?;
                write_private(&path, &key).map_err(file_error)?;
                Ok((Keys::new(&[key])?, KeySource::Made(path)))
            }
            Err(error) => Err(file_error(error)),
        }
    }
}

fn random_key() -> Result<String, KeyError> {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes))
}

/// Writes a file that only its owner can read, completely or not at all.
fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let unfinished = path.with_extension("key.new");
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&unfinished)?;
    // One that a broken-off start left behind keeps the mode that it has.
    file.set_permissions(Permissions::from_mode(0o600))?;
    writeln!(file, "{text}")?;
    file.sync_all()?;
    fs::rename(unfinished, path)?;
    // The name is in the folder, which a power loss may take back by itself.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn warn_when_open(path: &Path) {
    if FileMode::at(path).is_ok_and(FileMode::is_open_to_others) {
        tracing::warn!(path = %path.display(), "others can read the key file: make its mode 0600");
    }
}
