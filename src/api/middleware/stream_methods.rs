//! The methods whose requests or responses are streams.

use crate::proto::FILE_DESCRIPTOR_SET;
use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};
use std::sync::LazyLock;

/// Paths of methods, as `/package.Service/Method`. So few that comparing with each is faster than a hash.
type Paths = Vec<String>;

/// The methods whose requests are streams.
static REQUEST_STREAMS: LazyLock<Paths> =
    LazyLock::new(|| paths(MethodDescriptor::is_client_streaming));
/// The methods whose responses are streams.
static RESPONSE_STREAMS: LazyLock<Paths> =
    LazyLock::new(|| paths(MethodDescriptor::is_server_streaming));

/// The methods of all services that a predicate selects.
fn paths(selects: fn(&MethodDescriptor) -> bool) -> Paths {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET);
    let services = pool.iter().flat_map(DescriptorPool::services);
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.filter(selects).map(|method| path(method.parent_service(), &method)).collect()
}

fn path(service: &ServiceDescriptor, method: &MethodDescriptor) -> String {
    format!("/{}/{}", service.full_name(), method.name())
}

/// Whether the request or the response of the method with this path is a stream.
pub(super) fn is_stream_method(path: &str) -> bool {
    has(&RESPONSE_STREAMS, path) || has_request_stream(path)
}

/// Whether the request of the method with this path is a stream.
pub(super) fn has_request_stream(path: &str) -> bool {
    has(&REQUEST_STREAMS, path)
}

fn has(paths: &Paths, path: &str) -> bool {
    paths.iter().any(|stream| stream == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_from_single_messages() {
        let import = "/authzed.api.v1.PermissionsService/ImportBulkRelationships";
        let lookup = "/authzed.api.v1.PermissionsService/LookupResources";
        assert!(has_request_stream(import) && is_stream_method(import));
        assert!(!has_request_stream(lookup) && is_stream_method(lookup));
        assert!(is_stream_method("/authzed.api.v1.WatchService/Watch"));
        assert!(!is_stream_method("/authzed.api.v1.PermissionsService/CheckPermission"));
        assert!(!is_stream_method("/authzed.api.v1.PermissionsService/DeleteRelationships"));
    }
}
