//! The methods of all services, as spans name them.

use crate::proto::served_descriptors;
use prost_reflect::MethodDescriptor;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The message that holds a token.
const ZED_TOKEN: &str = "authzed.api.v1.ZedToken";
/// The service and method of a path that no service has.
const UNKNOWN: &str = "unknown";

/// The methods of all services, by path.
#[derive(Debug)]
pub(super) struct TracedMethods {
    by_path: BTreeMap<String, Arc<TracedMethod>>,
    other: Arc<TracedMethod>,
}

/// A method.
#[derive(Debug)]
pub(super) struct TracedMethod {
    pub(super) service: String,
    pub(super) method: String,
    /// The number of the response's field that holds a token.
    pub(super) token_field: Option<u32>,
}

impl TracedMethods {
    pub(super) fn new() -> Self {
        // The descriptors are part of the program; without them methods would be unknown.
        let pool = served_descriptors().unwrap_or_default();
        let mut by_path = BTreeMap::new();
        for service in pool.services() {
            for method in service.methods() {
                let path = format!("/{}/{}", service.full_name(), method.name());
                let traced = TracedMethod {
                    service: service.full_name().to_owned(),
                    method: method.name().to_owned(),
                    token_field: token_field(&method),
                };
                by_path.insert(path, Arc::new(traced));
            }
        }
        let unknown = || UNKNOWN.to_owned();
        let other = TracedMethod { service: unknown(), method: unknown(), token_field: None };
        Self { by_path, other: Arc::new(other) }
    }

    /// The method with this path. The names of others come from callers, and are left out.
    pub(super) fn get(&self, path: &str) -> Arc<TracedMethod> {
        Arc::clone(self.by_path.get(path).unwrap_or(&self.other))
    }
}

fn token_field(method: &MethodDescriptor) -> Option<u32> {
    let output = method.output();
    let is_token = |field: &prost_reflect::FieldDescriptor| {
        let kind = field.kind();
        !field.is_list() && kind.as_message().is_some_and(|kind| kind.full_name() == ZED_TOKEN)
    };
    output.fields().find(is_token).map(|field| field.number())
}
