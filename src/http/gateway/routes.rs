//! The routes, read from the `google.api.http` options of the methods.

use crate::proto::FILE_DESCRIPTOR_SET;
use prost_reflect::{
    DescriptorError, DescriptorPool, DynamicMessage, MessageDescriptor, MethodDescriptor,
};
use std::collections::HashMap;
use std::sync::Arc;

const HTTP_OPTION: &str = "google.api.http";

/// Descriptors from which no gateway can be made.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// They cannot be read.
    #[error("the descriptors of the protocol cannot be read: {0}")]
    Descriptors(#[from] DescriptorError),
    /// The option that names the route of a method is not among them.
    #[error("the descriptors of the protocol have no option `{HTTP_OPTION}`")]
    NoRoutes,
}

/// A method that can be called over HTTP.
#[derive(Debug)]
pub(super) struct HttpRoute {
    method: MethodDescriptor,
    grpc_path: String,
}

/// The routes by their path.
#[derive(Debug)]
pub(super) struct RouteTable(HashMap<String, Arc<HttpRoute>>);

impl RouteTable {
    /// The routes of all methods of the protocol.
    pub(super) fn from_descriptors() -> Result<Self, RouteError> {
        let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET)?;
        let option = pool.get_extension_by_name(HTTP_OPTION).ok_or(RouteError::NoRoutes)?;
        let mut routes = HashMap::new();
        for service in pool.services() {
            for method in service.methods() {
                let options = method.options();
                if !options.has_extension(&option) {
                    continue;
                }
                let rule = options.get_extension(&option);
                let Some(path) = rule.as_message().and_then(posted_path) else { continue };
                let grpc_path = format!("/{}/{}", service.full_name(), method.name());
                routes.insert(path, Arc::new(HttpRoute { method, grpc_path }));
            }
        }
        Ok(Self(routes))
    }

    /// The methods with their paths.
    pub(super) fn methods(&self) -> impl Iterator<Item = (&str, &MethodDescriptor)> {
        self.0.iter().map(|(path, route)| (path.as_str(), &route.method))
    }

    /// The route of a path.
    pub(super) fn find(&self, path: &str) -> Option<Arc<HttpRoute>> {
        self.0.get(path).cloned()
    }
}

fn posted_path(rule: &DynamicMessage) -> Option<String> {
    let path = rule.get_field_by_name("post")?;
    path.as_str().filter(|path| !path.is_empty()).map(str::to_owned)
}

impl HttpRoute {
    /// Its path in gRPC.
    pub(super) fn grpc_path(&self) -> &str {
        &self.grpc_path
    }

    /// The type of its requests.
    pub(super) fn input(&self) -> MessageDescriptor {
        self.method.input()
    }

    /// The type of its responses.
    pub(super) fn output(&self) -> MessageDescriptor {
        self.method.output()
    }

    /// Whether it takes several requests.
    pub(super) fn streams_request(&self) -> bool {
        self.method.is_client_streaming()
    }

    /// Whether it gives several responses.
    pub(super) fn streams_response(&self) -> bool {
        self.method.is_server_streaming()
    }
}
