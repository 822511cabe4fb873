//! A client of TLS that says what it offers, and shows what is agreed.

use crate::certificates::{Authority, Issued};
use crate::http_support::{HttpAnswer, head};
use std::io::{Error, Result};
use std::sync::Arc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject as _;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};

/// What a client trusts, shows and offers.
pub(crate) struct TlsClient<'c> {
    pub(crate) trusted: &'c Authority,
    pub(crate) identity: Option<&'c Issued>,
    pub(crate) versions: &'c [&'static SupportedProtocolVersion],
    /// Names of ALPN.
    pub(crate) protocols: &'c [&'c [u8]],
}

impl TlsClient<'_> {
    /// Connects to a server on this machine.
    pub(crate) async fn connect(&self, endpoint: &str) -> Result<TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let authority = CertificateDer::from_pem_slice(self.trusted.pem().as_bytes()).unwrap();
        roots.add(authority).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(self.versions)
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match self.identity {
            None => builder.with_no_client_auth(),
            Some(issued) => {
                let chain = CertificateDer::pem_slice_iter(issued.certificate.as_bytes());
                let key = PrivateKeyDer::from_pem_slice(issued.key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain.map(|one| one.unwrap()).collect(), key).unwrap()
            }
        };

        config.alpn_protocols = self.protocols.iter().map(|protocol| protocol.to_vec()).collect();
        let stream = TcpStream::connect(endpoint).await?;
        let name = ServerName::try_from("localhost").unwrap();
        TlsConnector::from(Arc::new(config)).connect(name, stream).await
    }

    /// The protocol that is agreed on, if one is.
    pub(crate) async fn negotiate(&self, endpoint: &str) -> Result<Option<Vec<u8>>> {
        let stream = self.connect(endpoint).await?;
        Ok(stream.get_ref().1.alpn_protocol().map(<[u8]>::to_vec))
    }

    /// Sends one request of HTTP/1.1, and reads its answer.
    pub(crate) async fn send(
        &self,
        endpoint: &str,
        [method, path]: [&str; 2],
        headers: &[(&str, &str)],
        body: &str,
    ) -> Result<HttpAnswer> {
        let mut stream = self.connect(endpoint).await?;
        let length = body.len().to_string();
        let usual = [("Connection", "close"), ("Content-Length", length.as_str())];
        let head = head(method, path, &[headers, &usual].concat());
        stream.write_all((head + body).as_bytes()).await?;
        let mut received = Vec::new();
        // Whether the connection ends in order is not looked at.
        let _ = stream.read_to_end(&mut received).await;
        if received.is_empty() {
            return Err(Error::other("no answer"));
        }
        Ok(HttpAnswer::parse(&received))
    }
}
