//! The certificate that a client has shown.

use crate::access::CertificateNameKind;

/// The names in the verified certificate of a client. The server puts an `Arc` of it into the extensions of each request that
/// comes over a connection with such a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The common name (CN) of the subject; none of several.
    pub common_name: Option<String>,
    /// The DNS names among the subject's alternative names.
    pub dns_names: Vec<String>,
    /// The URIs among them, such as `spiffe://example.org/shop`.
    pub uris: Vec<String>,
    /// The e-mail addresses among them.
    pub emails: Vec<String>,
}

impl ClientCertificate {
    /// Its names with their kinds: the specific ones first.
    pub(crate) fn names(&self) -> impl Iterator<Item = (CertificateNameKind, &str)> {
        let uris = self.uris.iter().map(|name| (CertificateNameKind::Uri, name));
        let dns_names = self.dns_names.iter().map(|name| (CertificateNameKind::DnsName, name));
        let emails = self.emails.iter().map(|name| (CertificateNameKind::Email, name));
        let common = self.common_name.iter().map(|name| (CertificateNameKind::CommonName, name));
        let names = uris.chain(dns_names).chain(emails).chain(common);
        names.map(|(kind, name)| (kind, name.as_str()))
    }
}
