//! Certificates and keys, from PEM files to a configuration of rustls.

use super::client_verifier::ClientVerifier;
use crate::config::TlsFiles;
use crate::file_mode::FileMode;
use crate::server::clock::since_epoch;
use std::fs;
use std::io;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::version::{TLS12, TLS13};
use tokio_rustls::rustls::{Error, InconsistentKeys, RootCertStore, ServerConfig};
use x509_cert::Certificate;
use x509_cert::der::Decode as _;
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// How long before its end a certificate is warned about.
const EXPIRY_WARNING: Duration = Duration::from_hours(7 * 24);
/// The largest file that is read. A chain of certificates takes some kilobytes.
const FILE_BYTES_MAX: u64 = 1 << 20;

/// TLS files that a listener cannot work with.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("the TLS file `{}` cannot be read: {source}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds something else than it should.
    #[error("the TLS file `{}` cannot be used: {reason}", .path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The key is that of another certificate.
    #[error("the key in `{}` does not belong to the certificate in `{}`", .key.display(), .certificate.display())]
    Mismatch {
        /// The file of the certificate.
        certificate: PathBuf,
        /// The file of the key.
        key: PathBuf,
    },
}

/// What a listener works with that uses some files.
#[derive(Debug)]
pub(super) struct LoadedTls {
    pub(super) config: Arc<ServerConfig>,
    /// Which client certificates are accepted, where they are required.
    clients: Option<Arc<ClientVerifier>>,
    /// When the certificate ends, since 1970.
    expires: Option<Duration>,
}

impl LoadedTls {
    /// When the certificate ends, in seconds since 1970.
    pub(super) fn expires(&self) -> Option<u64> {
        self.expires.map(|end| end.as_secs())
    }

    /// Whether a client has shown the listener's own certificate, as a probe beside the server does.
    pub(super) fn is_own(&self, certificate: &CertificateDer<'_>) -> bool {
        self.clients
            .as_ref()
            .and_then(|clients| clients.own())
            .is_some_and(|own| own == certificate)
    }
}

/// The configuration of a listener that uses these files.
pub(super) fn load(files: &TlsFiles, protocols: &[&[u8]]) -> Result<LoadedTls, TlsError> {
    let chain = certificates(&files.certificate)?;
    let key = private_key(&files.key)?;

    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| unusable(&files.certificate, &error))?;
    let clients = files.client_ca.as_ref().map(|path| client_verifier(path, &chain)).transpose()?;
    let builder = match &clients {
        Some(clients) => {
            let clients = Arc::clone(clients);
            builder.with_client_cert_verifier(clients)
        }
        None => builder.with_no_client_auth(),
    };

    let expires = chain.first().and_then(|first| Certificate::from_der(first).ok());
    let expires = expires
        .map(|certificate| certificate.tbs_certificate.validity.not_after.to_unix_duration());

    let mut config = builder.with_single_cert(chain, key).map_err(|error| {
        if error == Error::InconsistentKeys(InconsistentKeys::KeyMismatch) {
            let (certificate, key) = (files.certificate.clone(), files.key.clone());
            return TlsError::Mismatch { certificate, key };
        }
        let is_certificate = matches!(error, Error::InvalidCertificate(_));
        unusable(if is_certificate { &files.certificate } else { &files.key }, &error)
    })?;
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.to_vec()).collect();
    Ok(LoadedTls { config: Arc::new(config), clients, expires })
}

/// What is wrong with the validity of the first certificate in a file, if anything.
pub(super) fn validity_doubt(path: &Path) -> Option<String> {
    let chain = certificates(path).ok()?;
    let certificate = Certificate::from_der(chain.first()?).ok()?;
    let validity = certificate.tbs_certificate.validity;
    let (start, end) = (validity.not_before, validity.not_after);
    let now = since_epoch();
    if end.to_unix_duration() <= now {
        return Some(format!("expired at {end}: clients will refuse the connection"));
    }
    if start.to_unix_duration() > now {
        return Some(format!("is valid only from {start}: clients will refuse the connection"));
    }
    let is_near = end.to_unix_duration() <= now + EXPIRY_WARNING;
    is_near.then(|| format!("expires at {end}: renew it"))
}

/// The hosts that the first certificate in a file is for, as clients write them: addresses, and names without wildcards.
pub(super) fn hosts(path: &Path) -> Vec<String> {
    let chain = certificates(path).unwrap_or_default();
    let certificate = chain.first().and_then(|first| Certificate::from_der(first).ok());
    let names = certificate.and_then(|certificate| {
        let names = certificate.tbs_certificate.get::<SubjectAltName>().ok()??;
        Some(names.1.0)
    });
    names.unwrap_or_default().iter().filter_map(host).collect()
}

fn host(name: &GeneralName) -> Option<String> {
    match name {
        GeneralName::DnsName(name) => {
            Some(name.as_str().to_owned()).filter(|name| !name.contains('*'))
        }
        GeneralName::IpAddress(address) => match address.as_bytes() {
            bytes @ [_, _, _, _] => {
                <[u8; 4]>::try_from(bytes).ok().map(|it| Ipv4Addr::from(it).to_string())
            }
            bytes => <[u8; 16]>::try_from(bytes).ok().map(|it| format!("[{}]", Ipv6Addr::from(it))),
        },
        GeneralName::OtherName(_)
        | GeneralName::Rfc822Name(_)
        | GeneralName::DirectoryName(_)
        | GeneralName::EdiPartyName(_)
        | GeneralName::UniformResourceIdentifier(_)
        | GeneralName::RegisteredId(_) => None,
    }
}

/// Whether every user of the machine can read a file. Its group may: a system for certificates has one for those who use them.
pub(super) fn is_open_to_all(path: &Path) -> bool {
    FileMode::at(path).is_ok_and(FileMode::all_may_read)
}

/// Requires a certificate of each client, from one of the authorities in a file, or the first of the listener's own chain.
fn client_verifier(
    path: &Path,
    chain: &[CertificateDer<'static>],
) -> Result<Arc<ClientVerifier>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path)? {
        roots.add(authority).map_err(|error| unusable(path, &error))?;
    }
    let provider = Arc::new(ring::default_provider());
    let authorities =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build();
    let authorities = authorities.map_err(|error| unusable(path, &error))?;
    Ok(Arc::new(ClientVerifier::new(authorities, chain)))
}

/// The certificates of a PEM file; at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let text = read(path)?;
    let found: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| unusable(path, &error))?;
    if found.is_empty() {
        return Err(unusable(path, &"it has no certificate in PEM form (BEGIN CERTIFICATE)"));
    }
    Ok(found)
}

/// The first private key of a PEM file.
fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    let text = read(path)?;
    PrivateKeyDer::from_pem_slice(&text).map_err(|error| {
        if matches!(error, pem::Error::NoItemsFound) {
            let missing = "it has no private key in PEM form (BEGIN PRIVATE KEY); one with a passphrase cannot be used";
            return unusable(path, &missing);
        }
        unusable(path, &error)
    })
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let failed = |source| TlsError::File { path: path.to_owned(), source };
    let bytes = fs::metadata(path).map_err(failed)?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(unusable(path, &format!("it has {bytes} bytes, more than {FILE_BYTES_MAX}")));
    }
    fs::read(path).map_err(failed)
}

fn unusable(path: &Path, reason: &impl ToString) -> TlsError {
    TlsError::Content { path: path.to_owned(), reason: reason.to_string() }
}
