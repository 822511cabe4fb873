//! The certificate that a client has shown.

/// The names in the verified certificate of a client. The server puts an `Arc` of it into the extensions of each request that
/// comes over a connection with such a certificate.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientCertificate {
    /// The common name (CN) of the subject.
    pub common_name: Option<String>,
    /// The DNS names among the subject's alternative names.
    pub dns_names: Vec<String>,
    /// The URIs among them, such as `spiffe://example.org/shop`.
    pub uris: Vec<String>,
    /// The e-mail addresses among them.
    pub emails: Vec<String>,
}
