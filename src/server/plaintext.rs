//! Plain text, which anyone between client and server can read and change, is for this machine alone unless an operator
//! says otherwise.

use crate::config::TransportSecurity;
use std::fmt;
use std::net::SocketAddr;

/// Plain text at an address that other machines can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "other machines can reach {address}, and without TLS they could read {}: give a certificate with \
     `--{listener}-tls-cert-path` and `--{listener}-tls-key-path`, or listen for this machine alone (`--{listener}-addr \
     127.0.0.1:{}`), or, in a network that is trusted, allow it with `--{listener}-allow-plaintext`",
    .listener.exposed(), .address.port()
)]
pub struct UnprotectedAddress {
    /// Where the server was to listen.
    pub address: SocketAddr,
    /// What for.
    pub listener: ListenerKind,
}

/// What a listener serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenerKind {
    /// Calls.
    Grpc,
    /// Requests over HTTP.
    Http,
    /// Metrics, probes and profiles.
    Metrics,
}

impl ListenerKind {
    /// What plain text shows to others.
    fn exposed(self) -> &'static str {
        match self {
            Self::Grpc | Self::Http => "keys and data",
            Self::Metrics => "metrics",
        }
    }
}

/// As the flags of the listener begin.
impl fmt::Display for ListenerKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Grpc => "grpc",
            Self::Http => "http",
            Self::Metrics => "metrics",
        })
    }
}

/// Refuses to listen in plain text where other machines can reach it, unless that is allowed.
pub(super) fn require_protection(
    listener: ListenerKind,
    address: SocketAddr,
    transport: &TransportSecurity,
) -> Result<(), UnprotectedAddress> {
    match transport {
        TransportSecurity::LoopbackPlaintext if !address.ip().is_loopback() => {
            Err(UnprotectedAddress { address, listener })
        }
        TransportSecurity::LoopbackPlaintext
        | TransportSecurity::Plaintext
        | TransportSecurity::Tls(_) => Ok(()),
    }
}

/// Says at each start that keys and data travel in plain text.
pub(super) fn warn(listener: ListenerKind, address: SocketAddr, transport: &TransportSecurity) {
    if *transport == TransportSecurity::Plaintext && !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            "other machines can reach this address without TLS: anyone on the network path can read {}",
            listener.exposed()
        );
    }
}
