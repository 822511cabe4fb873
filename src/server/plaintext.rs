//! Plain text, which anyone between client and server can read and change, is for this machine alone unless an operator
//! says otherwise.

use crate::config::TransportSecurity;
use std::net::SocketAddr;

/// Plain text at an address that other machines can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "other machines can reach {address}, and without TLS they could read keys and data: give a certificate with \
     `--grpc-tls-cert-path` and `--grpc-tls-key-path`, or listen for this machine alone (`--grpc-addr \
     127.0.0.1:{}`), or, in a network that is trusted, allow it with `--grpc-allow-plaintext`", .address.port()
)]
pub struct UnprotectedAddress {
    /// Where the server was to listen.
    pub address: SocketAddr,
}

/// Refuses to listen in plain text where other machines can reach it, unless that is allowed.
pub(super) fn require_protection(
    address: SocketAddr,
    transport: &TransportSecurity,
) -> Result<(), UnprotectedAddress> {
    match transport {
        TransportSecurity::LoopbackPlaintext if !address.ip().is_loopback() => {
            Err(UnprotectedAddress { address })
        }
        TransportSecurity::LoopbackPlaintext
        | TransportSecurity::Plaintext
        | TransportSecurity::Tls(_) => Ok(()),
    }
}

/// Says at each start that keys and data travel in plain text.
pub(super) fn warn(address: SocketAddr, transport: &TransportSecurity) {
    if *transport == TransportSecurity::Plaintext && !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            "other machines can reach this address without TLS: anyone on the network path can read keys and data"
        );
    }
}
