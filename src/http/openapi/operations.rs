//! Methods as operations.

use super::comments::Comments;
use super::examples;
use super::members::set;
use super::schemas::Schemas;
use prost_reflect::MethodDescriptor;
use prost_types::MethodOptions;
use serde_json::{Value, json};

const LINES: &str = "One JSON object a line: an answer in `result`, or the `error` that ended the stream. No body if there are no answers.";
const MESSAGES: &str = "Any number of these objects, one after the other. They are one call: all of it happens or nothing.";

/// The operation that calls a method.
pub(super) fn operation(
    path: &str,
    method: &MethodDescriptor,
    comments: &Comments,
    schemas: &mut Schemas<'_>,
) -> Value {
    let about = comments.of_method(method).unwrap_or_default();
    let summary = about.split_inclusive(". ").next().unwrap_or_default().trim();
    let service = method.parent_service();
    let options = method.method_descriptor_proto().options.as_ref();
    let (request, response) = examples::find(path);

    let mut content = json!({"schema": schemas.message(&method.input())});
    if let Some(example) = request {
        set(&mut content, "example", example);
    }
    let mut body = json!({"required": true, "content": {"application/json": content}});
    if method.is_client_streaming() {
        set(&mut body, "description", MESSAGES);
    }
    json!({
        "operationId": operation_id(service.full_name(), method.name()),
        "tags": [service.full_name()],
        "summary": summary,
        "description": about,
        "deprecated": options.is_some_and(MethodOptions::deprecated),
        "requestBody": body,
        "responses": responses(method, response, schemas),
    })
}

fn responses(
    method: &MethodDescriptor,
    example: Option<Value>,
    schemas: &mut Schemas<'_>,
) -> Value {
    let message = schemas.message(&method.output());
    let is_stream = method.is_server_streaming();
    let schema = if is_stream {
        let error = json!({"$ref": "#/components/schemas/google.rpc.Status"});
        json!({"type": "object", "properties": {"result": message, "error": error}})
    } else {
        message
    };
    let mut content = json!({"schema": schema});
    if let Some(example) = example {
        let example = if is_stream { json!({"result": example}) } else { example };
        set(&mut content, "example", example);
    }

    let mut success = json!({
        "description": if is_stream { LINES } else { "The answer." },
        "content": {"application/json": content},
    });
    if !is_stream {
        let headers = json!({"X-Request-Id": {"$ref": "#/components/headers/RequestId"}});
        set(&mut success, "headers", headers);
    }
    let error = if is_stream { "StreamError" } else { "Error" };
    json!({
        "200": success,
        "default": {"$ref": format!("#/components/responses/{error}")},
    })
}

/// The name of the method; with that of its package where it is not of `authzed.api.v1`.
fn operation_id(service: &str, method: &str) -> String {
    if service.starts_with("kilwa.v1.") { format!("Kilwa{method}") } else { method.to_owned() }
}
