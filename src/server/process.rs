//! Runs a server: from the data folder and the addresses until a signal ends it.

use super::address::bind;
use super::clock::TimeSource;
use super::error::ServerError;
use super::http_listener::HttpListener;
use super::plaintext::{self, ListenerKind};
use super::signals::StopSignals;
use super::{Server, descriptors, runtime};
use crate::api::Keys;
use crate::config::Config;
use crate::store::{OpenError, is_folder_in_use};
use std::future::Future;
use std::net::SocketAddr;
use std::path::Path;
use tokio::net::TcpListener;

/// Opens the data folder and serves on `listener` until `shutdown` is done.
pub async fn run(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()> + Send,
) -> Result<(), ServerError> {
    Server::open(&config)?.serve(listener, shutdown).await
}

/// Opens the data folder and serves at `address` until SIGTERM or SIGINT. `ready` receives
/// the address as soon as the server accepts calls. A signal before that, and a second one later, end the process at once.
pub fn run_until_signal(
    address: &str,
    config: &Config,
    ready: impl FnOnce(SocketAddr, &Server),
) -> Result<(), ServerError> {
    let signals = StopSignals::listen().map_err(ServerError::System)?;
    descriptors::raise_limit();
    let runtime = runtime::start().map_err(ServerError::System)?;

    runtime.block_on(async {
        let (listener, local) =
            bind("--grpc-addr", address).await.map_err(|error| -> ServerError {
                // Usually both are true, and that the folder is in use says which server it is.
                if is_data_folder_in_use(&config.data_dir) {
                    OpenError::Locked { path: config.data_dir.clone() }.into()
                } else {
                    error.into()
                }
            })?;
        // Before the data folder is opened, which may take long.
        plaintext::require_protection(ListenerKind::Grpc, local, &config.transport)?;
        let mut http = config.http.clone().map(HttpListener::new).transpose()?;
        if let Some(http) = &mut http {
            http.bind().await?;
        }
        let mut server = Server::open_listening(config, TimeSource::system(), http)?;
        server.reloads = signals.reloads();
        let stop = signals.serving();
        warn_of_short_keys(local, &server.options.keys);
        ready(local, &server);
        server.serve(listener, stop).await
    })
}

/// Whether a running server, of this process or another one, has a data folder open.
pub fn is_data_folder_in_use(data_dir: &Path) -> bool {
    is_folder_in_use(data_dir)
}

/// Warns when other machines can try keys that can be guessed.
fn warn_of_short_keys(address: SocketAddr, keys: &Keys) {
    if keys.has_short_key() && !address.ip().is_loopback() {
        tracing::warn!(
            %address,
            "a preshared key has fewer than 16 bytes, and other machines can reach the server: use a longer random one, \
             such as that of `openssl rand -base64 32`"
        );
    }
}
