//! Certificates for tests: an authority, and what it issues.

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, SanType, date_time_ymd,
};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// A certificate authority.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

/// A certificate and its key, in PEM form.
pub(crate) struct Issued {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

/// The files of an issued certificate.
pub(crate) struct PairFiles {
    pub(crate) certificate: PathBuf,
    pub(crate) key: PathBuf,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(DnType::CommonName, name);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate of a server on this machine.
    pub(crate) fn server(&self) -> Issued {
        self.issue(&mut server_params())
    }

    /// One of a server that is a client of others too.
    pub(crate) fn server_and_client(&self) -> Issued {
        let mut params = server_params();
        params.extended_key_usages.push(ExtendedKeyUsagePurpose::ClientAuth);
        self.issue(&mut params)
    }

    /// A certificate of a server with this name.
    pub(crate) fn named(&self, host: &str) -> Issued {
        self.issue(&mut params_for(vec![host.to_owned()]))
    }

    /// One that is no longer valid.
    pub(crate) fn expired(&self) -> Issued {
        let mut params = server_params();
        params.not_before = date_time_ymd(2001, 1, 1);
        params.not_after = date_time_ymd(2002, 1, 1);
        self.issue(&mut params)
    }

    /// A client's certificate.
    pub(crate) fn client(&self, name: &str) -> Issued {
        let mut params = CertificateParams::new(Vec::<String>::new()).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        let uri = format!("spiffe://example.org/{name}").try_into().unwrap();
        params.subject_alt_names = vec![SanType::URI(uri)];
        self.issue(&mut params)
    }

    fn issue(&self, params: &mut CertificateParams) -> Issued {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        Issued { certificate: certificate.pem(), key: key.serialize_pem() }
    }
}

fn server_params() -> CertificateParams {
    params_for(vec!["localhost".to_owned(), "127.0.0.1".to_owned()])
}

fn params_for(names: Vec<String>) -> CertificateParams {
    let mut params = CertificateParams::new(names).unwrap();
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params
}

impl Issued {
    /// Writes both files into a folder, or replaces them, each at once.
    pub(crate) fn write(&self, folder: &Path, name: &str) -> PairFiles {
        let files = PairFiles {
            certificate: folder.join(format!("{name}.pem")),
            key: folder.join(format!("{name}.key")),
        };
        for (path, text) in [(&files.certificate, &self.certificate), (&files.key, &self.key)] {
            let new = path.with_extension("new");
            fs::write(&new, text).unwrap();
            // As a key has to be: others may not read it.
            fs::set_permissions(&new, fs::Permissions::from_mode(0o600)).unwrap();
            fs::rename(new, path).unwrap();
        }
        files
    }
}

impl PairFiles {
    /// The flags of `kilwa serve` for them.
    pub(crate) fn flags(&self) -> [&str; 4] {
        [
            "--grpc-tls-cert-path",
            self.certificate.to_str().unwrap(),
            "--grpc-tls-key-path",
            self.key.to_str().unwrap(),
        ]
    }
}
