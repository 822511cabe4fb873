//! Which client certificates are accepted: those of the authorities, and the listener's own.

use std::sync::Arc;
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::pki_types::{CertificateDer, UnixTime};
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};

/// Requires a certificate of each client. The listener's own is accepted too, so that a probe beside the server needs no certificate of its own:
/// who has its key is the server.
#[derive(Debug)]
pub(super) struct ClientVerifier {
    authorities: Arc<dyn ClientCertVerifier>,
    own: Option<CertificateDer<'static>>,
}

impl ClientVerifier {
    /// Accepts certificates of these authorities, and the first of a chain.
    pub(super) fn new(
        authorities: Arc<dyn ClientCertVerifier>,
        chain: &[CertificateDer<'static>],
    ) -> Self {
        let own = chain.split_first().and_then(|(first, rest)| {
            // One that the authorities accept is a client's like any other, with names that may have a role.
            let accepted = authorities.verify_client_cert(first, rest, UnixTime::now());
            accepted.is_err().then(|| first.clone())
        });
        Self { authorities, own }
    }

    /// The certificate that is accepted although it is not from the authorities. Its names stand for the server, and for no client.
    pub(super) fn own(&self) -> Option<&CertificateDer<'static>> {
        self.own.as_ref()
    }
}

impl ClientCertVerifier for ClientVerifier {
    fn offer_client_auth(&self) -> bool {
        self.authorities.offer_client_auth()
    }

    fn client_auth_mandatory(&self) -> bool {
        self.authorities.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.authorities.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        if self.own.as_ref().is_some_and(|own| own == end_entity) {
            return Ok(ClientCertVerified::assertion());
        }
        self.authorities.verify_client_cert(end_entity, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls12_signature(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.authorities.verify_tls13_signature(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.authorities.supported_verify_schemes()
    }
}
