//! Why a server does not start, or stops without a signal.

use super::address::BindError;
use super::clock::ClockAhead;
use super::http_listener::HttpListenerError;
use super::plaintext::UnprotectedAddress;
use super::tls::TlsError;
use crate::audit::AuditError;
use crate::config::KeyError;
use crate::database::DatabaseError;
use crate::settings_file::SettingsFileError;
use crate::store::OpenError;
use crate::traces::TraceError;
use std::io;

/// Why a server does not start, or stops without a signal.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// The data folder.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The keys.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// The clock.
    #[error(transparent)]
    Clock(#[from] ClockAhead),
    /// The bootstrap of an empty store.
    #[error("the bootstrap cannot be loaded: {0}")]
    Bootstrap(Box<DatabaseError>),
    /// The descriptors of the messages.
    #[error("the reflection service cannot be made: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The address.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The address of the metrics.
    #[error(
        "cannot serve metrics at `{address}`: {source}; give another address with `--metrics-addr`, such as 127.0.0.1:9091"
    )]
    BindMetrics {
        /// The address as given.
        address: String,
        /// The error of the system.
        source: io::Error,
    },
    /// The files of the listener's TLS.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// The audit log.
    #[error(transparent)]
    Audit(#[from] AuditError),
    /// The export of traces.
    #[error(transparent)]
    Traces(#[from] TraceError),
    /// Plain text at an address that other machines can reach.
    #[error(transparent)]
    Unprotected(#[from] UnprotectedAddress),
    /// The HTTP listener.
    #[error(transparent)]
    Http(#[from] HttpListenerError),
    /// The mapping file of external authorization.
    #[error(transparent)]
    ExtAuthz(#[from] SettingsFileError),
    /// Threads or signals.
    #[error("the server cannot be set up: {0}")]
    System(io::Error),
}
