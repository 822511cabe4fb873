//! The methods whose requests or responses are streams.

use crate::proto::FILE_DESCRIPTOR_SET;
use prost_reflect::{DescriptorPool, MethodDescriptor, ServiceDescriptor};
use std::collections::HashSet;
use std::sync::LazyLock;

/// The paths of these methods, as `/package.Service/Method`.
static PATHS: LazyLock<HashSet<String>> = LazyLock::new(|| {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET);
    let services = pool.iter().flat_map(DescriptorPool::services);
    let methods = services.flat_map(|service| service.methods().collect::<Vec<_>>());
    methods.filter(is_stream).map(|method| path(method.parent_service(), &method)).collect()
});

fn is_stream(method: &MethodDescriptor) -> bool {
    method.is_client_streaming() || method.is_server_streaming()
}

fn path(service: &ServiceDescriptor, method: &MethodDescriptor) -> String {
    format!("/{}/{}", service.full_name(), method.name())
}

/// Whether the request or the response of the method with this path is a stream.
pub(super) fn is_stream_method(path: &str) -> bool {
    PATHS.contains(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn streams_are_told_from_single_messages() {
        assert!(is_stream_method("/authzed.api.v1.WatchService/Watch"));
        assert!(is_stream_method("/authzed.api.v1.PermissionsService/ImportBulkRelationships"));
        assert!(is_stream_method("/authzed.api.v1.PermissionsService/LookupResources"));
        assert!(!is_stream_method("/authzed.api.v1.PermissionsService/CheckPermission"));
        assert!(!is_stream_method("/authzed.api.v1.PermissionsService/DeleteRelationships"));
    }
}
