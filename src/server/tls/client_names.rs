//! The names in a client's certificate.

use crate::api::ClientCertificate;
use std::io::{self, ErrorKind};
use tokio_rustls::rustls::pki_types::CertificateDer;
use x509_cert::Certificate;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::Decode as _;
use x509_cert::der::asn1::{ObjectIdentifier, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::ext::pkix::SubjectAltName;
use x509_cert::ext::pkix::name::GeneralName;

/// The attribute `commonName` of a subject.
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");

/// The names in a certificate that has been verified. Fails where they cannot be read, rather than leaving some out.
pub(super) fn read(certificate: &CertificateDer<'_>) -> io::Result<ClientCertificate> {
    let unreadable = |error| {
        io::Error::new(
            ErrorKind::InvalidData,
            format!("the client's certificate cannot be read: {error}"),
        )
    };
    let certificate = Certificate::from_der(certificate).map_err(unreadable)?;
    let content = &certificate.tbs_certificate;

    let mut names = ClientCertificate::default();
    let subject = content.subject.0.iter().flat_map(|relative| relative.0.iter());
    let mut common_names = subject.filter(|attribute| attribute.oid == COMMON_NAME);
    let first = common_names.next();
    // Of several, nothing says which one is meant.
    if common_names.next().is_none() {
        names.common_name = first.and_then(common_name);
    }
    if let Some((_, alternatives)) = content.get::<SubjectAltName>().map_err(unreadable)? {
        for name in alternatives.0 {
            match name {
                GeneralName::DnsName(name) => names.dns_names.push(name.as_str().to_owned()),
                GeneralName::UniformResourceIdentifier(uri) => {
                    names.uris.push(uri.as_str().to_owned());
                }
                GeneralName::Rfc822Name(email) => names.emails.push(email.as_str().to_owned()),
                GeneralName::OtherName(_)
                | GeneralName::DirectoryName(_)
                | GeneralName::EdiPartyName(_)
                | GeneralName::IpAddress(_)
                | GeneralName::RegisteredId(_) => {}
            }
        }
    }
    Ok(names)
}

/// The text of a name in any of the forms that are in use.
fn common_name(attribute: &AttributeTypeAndValue) -> Option<String> {
    let value = &attribute.value;
    let utf8 = || value.decode_as::<Utf8StringRef<'_>>().map(|text| text.as_str().to_owned());
    let printable =
        || value.decode_as::<PrintableStringRef<'_>>().map(|text| text.as_str().to_owned());
    let teletex = || value.decode_as::<TeletexStringRef<'_>>().map(|text| text.as_str().to_owned());
    utf8().or_else(|_| printable()).or_else(|_| teletex()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    #[test]
    fn the_names_of_a_certificate_are_read_by_kind() {
        let mut params = CertificateParams::new(vec!["shop.example.org".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "shöp");
        params.distinguished_name.push(DnType::OrganizationName, "Example");
        let uri = SanType::URI("spiffe://example.org/shop".try_into().unwrap());
        let email = SanType::Rfc822Name("shop@example.org".try_into().unwrap());
        params.subject_alt_names.extend([uri, email, SanType::IpAddress([10, 0, 0, 1].into())]);
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let expected = ClientCertificate {
            common_name: Some("shöp".to_owned()),
            dns_names: vec!["shop.example.org".to_owned()],
            uris: vec!["spiffe://example.org/shop".to_owned()],
            emails: vec!["shop@example.org".to_owned()],
        };
        assert_eq!(read(certificate.der()).unwrap(), expected);
    }

    #[test]
    fn of_several_common_names_none_counts() {
        let mut params = CertificateParams::new(vec!["shop.example.org".to_owned()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, "shop");
        params.distinguished_name.push(DnType::CustomDnType(vec![2, 5, 4, 3]), "admin");
        let certificate = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
        let names = read(certificate.der()).unwrap();
        assert_eq!((names.common_name, names.dns_names.len()), (None, 1));
    }

    #[test]
    fn what_is_no_certificate_is_refused() {
        read(&CertificateDer::from(vec![1, 2, 3])).unwrap_err();
    }
}
