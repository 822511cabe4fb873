//! TLS of a listener: its certificate and key, and the authorities whose client certificates it accepts.

mod client_names;
mod client_verifier;
mod load;
mod stream;

pub use load::TlsError;
pub(super) use stream::{ServerStream, handshake};

use super::reload::Reloadable;
use crate::config::{TlsFiles, TransportSecurity};
use arc_swap::ArcSwap;
use load::LoadedTls;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

/// The protocols that a gRPC listener negotiates.
pub(super) const ALPN_GRPC: &[&[u8]] = &[b"h2"];

/// The protocols that the listener for metrics negotiates.
pub(super) const ALPN_SCRAPE: &[&[u8]] = &[b"http/1.1"];

/// The protocols that an HTTP listener negotiates.
pub(super) const ALPN_HTTP: &[&[u8]] = &[b"h2", b"http/1.1"];

/// What one listener identifies itself with. A reload replaces it for new connections.
#[derive(Debug)]
pub(super) struct TlsIdentity {
    listener: &'static str,
    files: TlsFiles,
    protocols: &'static [&'static [u8]],
    loaded: ArcSwap<LoadedTls>,
}

impl TlsIdentity {
    /// The identity of a listener, if it serves TLS. Its name is used in the log.
    pub(super) fn of(
        listener: &'static str,
        transport: &TransportSecurity,
        protocols: &'static [&'static [u8]],
    ) -> Result<Option<Arc<Self>>, TlsError> {
        match transport {
            TransportSecurity::LoopbackPlaintext | TransportSecurity::Plaintext => Ok(None),
            TransportSecurity::Tls(files) => {
                Self::load(listener, files.clone(), protocols).map(Some)
            }
        }
    }

    fn load(
        listener: &'static str,
        files: TlsFiles,
        protocols: &'static [&'static [u8]],
    ) -> Result<Arc<Self>, TlsError> {
        let loaded = ArcSwap::from_pointee(load::load(&files, protocols)?);
        let identity = Arc::new(Self { listener, files, protocols, loaded });
        identity.warn();
        Ok(identity)
    }

    /// Reloads it when its files change.
    pub(super) fn reloadable(self: &Arc<Self>) -> Reloadable {
        let TlsFiles { certificate, key, client_ca } = self.files.clone();
        let files = [certificate, key].into_iter().chain(client_ca).collect();
        let identity = Arc::clone(self);
        Reloadable::new(format!("TLS of the {} listener", self.listener), files, move || {
            identity.reload().map_err(|error| error.to_string())
        })
    }

    /// Reads the files again. Without success everything stays as it is.
    fn reload(&self) -> Result<(), TlsError> {
        // A new configuration knows no earlier session, so that none outlives a client authority that was removed.
        self.loaded.store(Arc::new(load::load(&self.files, self.protocols)?));
        self.warn();
        Ok(())
    }

    /// Host and port at which a client on this machine reaches the listener at an address under a name that the certificate has.
    pub(super) fn reachable(&self, address: SocketAddr) -> String {
        let port = address.port();
        let (ip, is_any) = (address.ip(), address.ip().is_unspecified());
        let loopback = if ip.is_ipv6() { "[::1]" } else { "127.0.0.1" };
        let direct = match ip {
            _ if is_any => loopback.to_owned(),
            IpAddr::V4(ip) => ip.to_string(),
            IpAddr::V6(ip) => format!("[{ip}]"),
        };
        let hosts = load::hosts(&self.files.certificate);
        let has = |host: &str| hosts.iter().any(|known| known == host);
        let host = if has(&direct) {
            direct
        } else if (is_any || ip.is_loopback()) && has("localhost") {
            "localhost".to_owned()
        } else {
            hosts.first().cloned().unwrap_or(direct)
        };
        format!("{host}:{port}")
    }

    /// Whether a client has to present a certificate.
    pub(super) fn requires_certificate(&self) -> bool {
        self.files.client_ca.is_some()
    }

    /// The listener.
    pub(super) fn listener(&self) -> &'static str {
        self.listener
    }

    /// When its certificate ends, in seconds since 1970.
    pub(super) fn expires(&self) -> Option<u64> {
        self.loaded().expires()
    }

    /// What it is now.
    fn loaded(&self) -> Arc<LoadedTls> {
        self.loaded.load_full()
    }

    /// Whether every user of the machine can read its key.
    pub(super) fn has_open_key(&self) -> bool {
        load::is_open_to_all(&self.files.key)
    }

    fn warn(&self) {
        if self.has_open_key() {
            let path = self.files.key.display();
            tracing::warn!(listener = self.listener, %path, "every user of this machine can read the TLS key: make its mode 0600");
        }
        if let Some(doubt) = load::validity_doubt(&self.files.certificate) {
            let path = self.files.certificate.display();
            tracing::warn!(listener = self.listener, %path, "the TLS certificate {doubt}");
        }
    }
}
