//! The document of the routes over HTTP: complete, valid, and good enough for a client to be generated from it.

use super::http_support::{HttpAnswer, HttpServed, routes};
use super::outside::has_interpreter;
use super::server_support::KEY;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

async fn document(served: &HttpServed) -> Value {
    let answer: HttpAnswer = served.send("GET", "/openapi.json", &[], "").await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/json")));
    answer.json()
}

#[tokio::test]
async fn every_route_is_described() {
    let served = HttpServed::start().await;
    let document = document(&served).await;
    assert_eq!(document["openapi"], "3.1.0");
    let paths = document["paths"].as_object().unwrap();
    let described: BTreeSet<String> = paths.keys().cloned().collect();
    let routes: BTreeSet<String> = routes().into_iter().map(|(_, path)| path).collect();
    assert!(routes.len() >= 36, "{routes:?}");
    assert_eq!(routes.difference(&described).collect::<Vec<_>>(), Vec::<&String>::new());

    let mut ids = BTreeSet::new();
    for (path, operations) in paths {
        for operation in operations.as_object().unwrap().values() {
            let id = operation["operationId"].as_str().unwrap();
            assert!(ids.insert(id.to_owned()), "{id} occurs twice");
            assert!(operation["summary"].as_str().unwrap().len() > 10, "{path}");
        }
    }
    // No more than what answers: a path that is described is not unknown.
    for path in described.iter().filter(|path| *path != "/healthz") {
        assert_ne!(served.send("GET", path, &[], "").await.status, 404, "{path}");
    }
    let check = &paths["/v1/permissions/check"]["post"];
    assert_eq!(
        check["requestBody"]["content"]["application/json"]["example"]["permission"],
        "view"
    );
    assert_eq!(check["responses"]["default"]["$ref"], "#/components/responses/Error");
    let read = &paths["/v1/relationships/read"]["post"]["responses"];
    assert_eq!(read["default"]["$ref"], "#/components/responses/StreamError");
    let line = &read["200"]["content"]["application/json"]["schema"]["properties"]["result"];
    assert_eq!(line["$ref"], "#/components/schemas/ReadRelationshipsResponse");
    assert_eq!(document["security"][0]["key"], serde_json::json!([]));
    assert_eq!(document["components"]["securitySchemes"]["key"]["scheme"], "bearer");
}

#[tokio::test]
async fn comments_and_rules_are_in_the_schemas() {
    let document = document(&HttpServed::start().await).await;
    let schemas = document["components"]["schemas"].as_object().unwrap();
    for (name, schema) in schemas {
        assert!(schema.is_object(), "{name}");
    }
    let id = &schemas["ObjectReference"]["properties"]["objectId"];
    assert_eq!(id["maxLength"], 1024);
    assert!(id["pattern"].as_str().unwrap().starts_with('^'));
    let request = &schemas["CheckPermissionRequest"];
    for (name, field) in request["properties"].as_object().unwrap() {
        assert!(field["description"].as_str().is_some_and(|text| text.len() > 5), "{name}");
    }
    let updates = &schemas["RelationshipUpdate.Operation"]["enum"];
    assert_eq!(updates[1], "OPERATION_CREATE");
    // Every reference leads somewhere.
    let mut references = Vec::new();
    collect(&document, &mut references);
    assert!(references.len() > 200);
    for reference in references {
        let target = document.pointer(reference.strip_prefix('#').unwrap());
        assert!(target.is_some_and(Value::is_object), "{reference}");
    }
}

fn collect(value: &Value, references: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            references.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
            members.values().for_each(|member| collect(member, references));
        }
        Value::Array(items) => items.iter().for_each(|item| collect(item, references)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_validator_accepts_it_and_a_generated_client_gets_answers() {
    if !has_interpreter("python3") {
        return;
    }
    let served = HttpServed::start().await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/openapi/run");
    let mut command = Command::new(script);
    command.args([served.endpoint.as_str(), KEY]);
    let played = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = [played.stdout, played.stderr].concat();
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&said));
}
