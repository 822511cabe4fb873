//! The document of all routes, in `OpenAPI` 3.1, made from the descriptors of the protocol.

mod authzen;
mod comments;
mod examples;
mod members;
mod operations;
mod schemas;

use super::gateway::{Gateway, RouteError};
use super::headers::JSON;
use axum::body::Body;
use comments::Comments;
use operations::operation;
use prost_reflect::{DescriptorPool, MethodDescriptor};
use schemas::Schemas;
use serde_json::{Map, Value, json};
use tonic::codegen::Bytes;
use tonic::codegen::http::Response;
use tonic::codegen::http::header::CONTENT_TYPE;

/// Where the document is.
pub(super) const PATH: &str = "/openapi.json";

const DESCRIPTION: &str = "Every method of `authzed.api.v1` and `kilwa.v1` as JSON over HTTP, and AuthZEN 1.0. \
    The body of an answer that is a stream has one JSON object a line.";

/// The document of the routes.
#[derive(Debug)]
pub(super) struct OpenApiDocument(Bytes);

impl OpenApiDocument {
    /// The document of the routes of a gateway, and of those beside it.
    pub(super) fn new(gateway: &Gateway) -> Result<Self, RouteError> {
        let mut methods: Vec<(&str, &MethodDescriptor)> = gateway.methods().collect();
        methods.sort_unstable_by_key(|(path, _)| *path);
        let pool = methods.first().map(|(_, method)| method.parent_pool().clone());
        let pool = pool.ok_or(RouteError::NoRoutes)?;
        Ok(Self(Bytes::from(document(&pool, &methods).to_string())))
    }

    /// The answer to a request for it.
    pub(super) fn response(&self, is_head: bool) -> Response<Body> {
        let body = if is_head { Body::empty() } else { Body::from(self.0.clone()) };
        let mut response = Response::new(body);
        response.headers_mut().insert(CONTENT_TYPE, JSON);
        response
    }
}

fn document(pool: &DescriptorPool, methods: &[(&str, &MethodDescriptor)]) -> Value {
    let comments = Comments::of(pool);
    let mut schemas = Schemas::new(&comments);
    let mut paths = Map::new();
    let mut tags = Map::new();
    for (path, method) in methods {
        let service = method.parent_service();
        let about = comments.of_service(service);
        tags.insert(service.full_name().to_owned(), Value::from(about.unwrap_or_default()));
        let operation = operation(path, method, &comments, &mut schemas);
        paths.insert((*path).to_owned(), json!({"post": operation}));
    }
    if let Some(status) = pool.get_message_by_name("google.rpc.Status") {
        schemas.message(&status);
    }

    paths.extend(authzen::paths());
    paths.insert("/healthz".to_owned(), health());
    let mut components = schemas.into_map();
    components.extend(authzen::schemas());
    components.insert("StreamError".to_owned(), stream_error());
    let named = |(name, about)| json!({"name": name, "description": about});
    let mut tags: Vec<Value> = tags.into_iter().map(named).collect();
    tags.push(json!({"name": authzen::TAG, "description": authzen::ABOUT}));
    tags.push(json!({"name": "health", "description": "Whether the server serves."}));

    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Kilwa",
            "version": env!("CARGO_PKG_VERSION"),
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/"}],
        "security": [{"key": []}],
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": components,
            "responses": responses(),
            "headers": headers(),
            "securitySchemes": {"key": {
                "type": "http",
                "scheme": "bearer",
                "description": "A key of the server, or a token of an identity provider that it trusts.",
            }},
        },
    })
}

fn responses() -> Value {
    let error = |schema: &str, about: &str| {
        let schema = json!({"$ref": format!("#/components/schemas/{schema}")});
        json!({
            "description": about,
            "headers": {
                "X-Request-Id": {"$ref": "#/components/headers/RequestId"},
                "Retry-After": {"$ref": "#/components/headers/RetryAfter"},
            },
            "content": {"application/json": {"schema": schema}},
        })
    };
    json!({
        "Error": error("google.rpc.Status", "The call failed; the HTTP status follows from the code."),
        "StreamError": error("StreamError", "The call failed before its first answer."),
    })
}

fn headers() -> Value {
    json!({
        "RequestId": {
            "description": "The id of the request: that of the request's own header, or one that the server chose.",
            "schema": {"type": "string"},
        },
        "RetryAfter": {
            "description": "After how many seconds to try again. With 429 and 503.",
            "schema": {"type": "integer"},
        },
    })
}

/// The line of a stream that says why it ended.
fn stream_error() -> Value {
    json!({
        "type": "object",
        "description": "Why a stream ended.",
        "required": ["error"],
        "properties": {"error": {"$ref": "#/components/schemas/google.rpc.Status"}},
    })
}

fn health() -> Value {
    let answer = |about: &str, status: &str| {
        json!({
            "description": about,
            "content": {"application/json": {
                "schema": {"type": "object", "properties": {"status": {"type": "string"}}},
                "example": {"status": status},
            }},
        })
    };
    json!({"get": {
        "operationId": "Healthz",
        "tags": ["health"],
        "summary": "Whether the server serves.",
        "security": [],
        "responses": {
            "200": answer("It serves.", "SERVING"),
            "503": answer("It does not serve.", "NOT_SERVING"),
        },
    }})
}
