//! Binds listeners to addresses.

use std::io;
use std::net::SocketAddr;
use tokio::net::TcpListener;

/// An address at which the server cannot listen.
#[derive(Debug, thiserror::Error)]
#[error(
    "cannot listen at `{address}`: {source}; give another address with `{flag}`, such as 127.0.0.1:50052"
)]
pub struct BindError {
    /// The flag that names the address.
    pub flag: &'static str,
    /// The address as given.
    pub address: String,
    /// The error of the system.
    pub source: io::Error,
}

/// A listener, and where it listens.
pub(super) async fn bind(
    flag: &'static str,
    address: &str,
) -> Result<(TcpListener, SocketAddr), BindError> {
    let cannot_bind = |source| BindError { flag, address: address.to_owned(), source };
    let listener = TcpListener::bind(address).await.map_err(cannot_bind)?;
    let local = listener.local_addr().map_err(cannot_bind)?;
    Ok((listener, local))
}
