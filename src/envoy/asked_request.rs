//! The request that a proxy asks about.

use crate::proto::envoy::config::core::v3::address::Address as AddressKind;
use crate::proto::envoy::service::auth::v3::AttributeContext;
use crate::proto::envoy::service::auth::v3::CheckRequest;
use prost_types::value::Kind;

/// The request that a proxy asks about.
#[derive(Debug)]
pub(super) struct AskedRequest {
    pub(super) id: String,
    pub(super) method: String,
    pub(super) host: String,
    /// Path and query.
    pub(super) target: String,
    /// Names in lower case, with values as they came. Of a header whose value is no text, the value is `None`.
    headers: Vec<(String, Option<String>)>,
    attributes: AttributeContext,
}

/// What a request has of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum HeaderFound<'r> {
    /// None of this name, or an empty one.
    Missing,
    /// One.
    One(&'r str),
    /// Several, or one that is no text.
    Unclear,
}

impl AskedRequest {
    /// Reads what a proxy asks; `None` when it is about no HTTP request.
    pub(super) fn new(message: CheckRequest) -> Option<Self> {
        let mut attributes = message.attributes?;
        let http = attributes.request.take()?.http?;
        let single = http.headers.into_iter().map(|(name, value)| (name, Some(value)));
        let raw = http.header_map.into_iter().flat_map(|map| map.headers).map(|header| {
            let value = if header.raw_value.is_empty() {
                Some(header.value)
            } else {
                String::from_utf8(header.raw_value).ok()
            };
            (header.key, value)
        });

        let headers = single.chain(raw).map(|(name, value)| (name.to_ascii_lowercase(), value));
        Some(Self {
            id: http.id,
            method: http.method,
            host: http.host,
            target: http.path,
            headers: headers.collect(),
            attributes,
        })
    }

    /// A header, by its name in lower case.
    pub(super) fn header(&self, name: &str) -> HeaderFound<'_> {
        let mut found = self.headers.iter().filter(|(known, _)| known == name);
        match (found.next(), found.next()) {
            (None, _) => HeaderFound::Missing,
            (Some((_, Some(value))), None) if value.is_empty() => HeaderFound::Missing,
            (Some((_, Some(value))), None) => HeaderFound::One(value),
            (Some(_), _) => HeaderFound::Unclear,
        }
    }

    /// The names of its headers.
    pub(super) fn header_names(&self) -> impl Iterator<Item = &str> {
        self.headers.iter().map(|(name, _)| name.as_str())
    }

    /// The name in the certificate of the client, if it has shown one.
    pub(super) fn principal(&self) -> Option<&str> {
        let principal = self.attributes.source.as_ref()?.principal.as_str();
        Some(principal).filter(|principal| !principal.is_empty())
    }

    /// The IP address of the client, as the proxy sees it.
    pub(super) fn source_address(&self) -> Option<&str> {
        let address = self.attributes.source.as_ref()?.address.as_ref()?.address.as_ref()?;
        let AddressKind::SocketAddress(address) = address;
        Some(address.address.as_str()).filter(|address| !address.is_empty())
    }

    /// A text that an earlier filter of the proxy has found out, by a path of names.
    pub(super) fn metadata(&self, namespace: &str, path: &[String]) -> Option<&str> {
        let metadata = self.attributes.metadata_context.as_ref()?;
        let mut fields = &metadata.filter_metadata.get(namespace)?.fields;
        let (last, above) = path.split_last()?;
        for name in above {
            let Kind::StructValue(inner) = fields.get(name)?.kind.as_ref()? else { return None };
            fields = &inner.fields;
        }
        match fields.get(last)?.kind.as_ref()? {
            Kind::StringValue(text) => Some(text),
            Kind::NullValue(_)
            | Kind::NumberValue(_)
            | Kind::BoolValue(_)
            | Kind::StructValue(_)
            | Kind::ListValue(_) => None,
        }
    }
}
