//! TLS of a connection: which authorities are trusted, and the client's own certificate.

use super::call_error::CallError;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::rustls::client::danger::{
    HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier,
};
use tokio_rustls::rustls::crypto::{
    CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature,
};
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use tokio_rustls::rustls::{DigitallySignedStruct, Error, SignatureScheme};
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint, Identity};

/// What a client needs for TLS. The default trusts the authorities of the system.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientTls {
    /// The authorities to trust instead of the system's, in a PEM file.
    pub authorities: Option<PathBuf>,
    /// The client's certificate and its key, in PEM files.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whether any certificate of the server is accepted. The connection is then encrypted, but to anyone.
    pub accepts_any_server: bool,
}

impl ClientTls {
    /// An endpoint that is reached with it.
    pub(super) fn apply(&self, endpoint: Endpoint) -> Result<Endpoint, CallError> {
        let mut config = match &self.authorities {
            Some(path) => ClientTlsConfig::new().ca_certificate(Certificate::from_pem(read(path)?)),
            None => ClientTlsConfig::new().with_enabled_roots(),
        };
        if let Some((certificate, key)) = &self.identity {
            config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
        }
        let applied = if self.accepts_any_server {
            // A verifier of its own goes with no other authorities.
            let mut config = ClientTlsConfig::new();
            if let Some((certificate, key)) = &self.identity {
                config = config.identity(Identity::from_pem(read(certificate)?, read(key)?));
            }
            let verifier = AnyServer(Arc::new(ring::default_provider()));
            endpoint.tls_config_with_verifier(config, Arc::new(verifier))
        } else {
            endpoint.tls_config(config)
        };
        applied.map_err(|error| CallError::Tls(innermost(&error)))
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CallError> {
    fs::read(path)
        .map_err(|error| CallError::Tls(format!("`{}` cannot be read: {error}", path.display())))
}

fn innermost(error: &dyn std::error::Error) -> String {
    error.source().map_or_else(|| error.to_string(), innermost)
}

/// Accepts every certificate, but still requires that the server has its key.
#[derive(Debug)]
struct AnyServer(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
