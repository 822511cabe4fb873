//! JSON over HTTP: routes, JSON forms, headers, status codes, errors, streams.

use super::http_support::{HttpAnswer, HttpServed, head};
use super::server_support::{KEY, SCHEMA};
use kilwa::proto::FILE_DESCRIPTOR_SET;
use prost_reflect::DescriptorPool;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const CHECK: &str = "/v1/permissions/check";
const READ: &str = "/v1/relationships/read";

/// All routes of SpiceDB.
const ROUTES: &[&str] = &[
    "/v1/schema/read",
    "/v1/schema/write",
    "/v1/schema/reflectschema",
    "/v1/schema/diffschema",
    "/v1/schema/permissions/computable",
    "/v1/schema/permissions/dependent",
    "/v1/relationships/read",
    "/v1/relationships/write",
    "/v1/relationships/delete",
    "/v1/relationships/importbulk",
    "/v1/relationships/exportbulk",
    "/v1/permissions/check",
    "/v1/permissions/checkbulk",
    "/v1/permissions/expand",
    "/v1/permissions/resources",
    "/v1/permissions/subjects",
    "/v1/watch",
    "/v1/experimental/reflectschema",
    "/v1/experimental/diffschema",
    "/v1/experimental/countrelationships",
    "/v1/experimental/registerrelationshipcounter",
    "/v1/experimental/unregisterrelationshipcounter",
    "/v1/experimental/permissions/computable",
    "/v1/experimental/permissions/dependent",
    "/v1/experimental/permissions/bulkcheckpermission",
    "/v1/experimental/relationships/bulkimport",
    "/v1/experimental/relationships/bulkexport",
];

/// Those of Kilwa's own services.
const OWN_ROUTES: &[&str] = &[
    "/kilwa/v1/permissions/list",
    "/kilwa/v1/permissions/resourceswithin",
    "/kilwa/v1/relationships/deleteobject",
    "/kilwa/v1/relationships/history",
    "/kilwa/v1/relationships/setrelation",
    "/kilwa/v1/relationships/write",
    "/kilwa/v1/revisions/readat",
    "/kilwa/v1/validate",
    "/kilwa/v1/validatelive",
    "/kilwa/v1/watch",
];

async fn filled() -> HttpServed {
    let served = HttpServed::start().await;
    served.server.write_schema(SCHEMA).await.unwrap();
    let relationships = [
        "document:plan#owner@user:ann",
        "document:plan#viewer@user:bob[only_on:{\"allowed\":\"monday\"}]",
        "document:plan#viewer@user:eve[expiration:2100-01-02T03:04:05.5Z]",
    ];
    served.server.touch(&relationships).await.unwrap();
    served
}

fn check(subject: &str) -> Value {
    json!({
        "consistency": {"fullyConsistent": true},
        "resource": {"objectType": "document", "objectId": "plan"},
        "permission": "view",
        "subject": {"object": {"objectType": "user", "objectId": subject}},
    })
}

fn read(relation: &str) -> String {
    json!({
        "consistency": {"fullyConsistent": true},
        "relationshipFilter": {"resourceType": "document", "optionalRelation": relation},
    })
    .to_string()
}

#[tokio::test]
async fn every_route_reaches_its_method() {
    let served = HttpServed::start().await;
    for path in ROUTES.iter().chain(OWN_ROUTES) {
        // Without a key every method refuses, and only a method does.
        let refused = served.send("POST", path, &[], "{}").await;
        assert_eq!(refused.status, 401, "{path}");
        assert_eq!(served.send("GET", path, &[], "").await.status, 501, "{path}");
        assert_eq!(served.send("POST", &format!("{path}/"), &[], "").await.status, 404, "{path}");
    }
}

#[test]
fn every_method_has_a_route() {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).unwrap();
    let methods: usize = pool.services().map(|service| service.methods().count()).sum();
    assert_eq!(methods, ROUTES.len() + OWN_ROUTES.len());
}

#[tokio::test]
async fn a_check_is_answered_in_the_forms_of_protojson() {
    let served = filled().await;
    let answer = served.post(CHECK, &check("ann").to_string()).await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("grpc-metadata-content-type"), Some("application/grpc"));
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()));
    let mut answer = answer.json();
    assert!(answer["checkedAt"]["token"].take().is_string());
    let expected = json!({
        "checkedAt": {"token": null},
        "permissionship": "PERMISSIONSHIP_HAS_PERMISSION",
        "partialCaveatInfo": null,
        "debugTrace": null,
        "optionalExpiresAt": null,
    });
    assert_eq!(answer, expected);

    let conditional = served.posted(CHECK, &check("bob").to_string()).await;
    assert_eq!(conditional["permissionship"], "PERMISSIONSHIP_CONDITIONAL_PERMISSION");
    assert_eq!(conditional["partialCaveatInfo"], json!({"missingRequiredContext": ["day"]}));
}

#[tokio::test]
async fn requests_are_read_in_every_form_of_protojson() {
    let served = filled().await;
    let forms = [
        r#"{"consistency":{"fully_consistent":true},"resource":{"object_type":"document","object_id":"plan"},"permission":"view","subject":{"object":{"object_type":"user","object_id":"bob"}},"context":{"day":"monday"}}"#,
        r#" {"unknown":[{"x":1}],"consistency":{"fullyConsistent":true},"resource":{"objectType":"document","objectId":"plan","more":null},"permission":"view","subject":{"object":{"objectType":"user","objectId":"bob"},"optionalRelation":null},"context":{"day":"monday"}} trailing"#,
    ];
    for form in forms {
        let answer = served.posted(CHECK, form).await;
        assert_eq!(answer["permissionship"], "PERMISSIONSHIP_HAS_PERMISSION", "{form}");
    }
    // Enums by name and by number; 64-bit numbers as text.
    for (operation, id) in [(json!("OPERATION_TOUCH"), "d1"), (json!(2), "d2")] {
        let relationship = json!({
            "resource": {"objectType": "document", "objectId": id}, "relation": "owner",
            "subject": {"object": {"objectType": "user", "objectId": "zoe"}},
        });
        let updates = json!([{"operation": operation, "relationship": relationship}]);
        served.posted("/v1/relationships/write", &json!({"updates": updates}).to_string()).await;
    }
    let filter = json!({"resourceType": "document", "optionalResourceId": "d1"});
    let delete = json!({"relationshipFilter": filter}).to_string();
    let deleted = served.posted("/v1/relationships/delete", &delete).await;
    assert_eq!(deleted["relationshipsDeletedCount"], "1");
    // No body is the empty message.
    let schema = served.posted("/v1/schema/read", "").await;
    assert_eq!(schema["schemaText"], SCHEMA);
}

#[tokio::test]
async fn errors_have_their_status_and_the_json_of_a_status() {
    let served = filled().await;
    let bearer = format!("Bearer {KEY}");
    let key = ("Authorization", bearer.as_str());
    let no_key = served.send("POST", CHECK, &[], "{}").await;
    assert_eq!((no_key.status, no_key.json()["code"].clone()), (401, json!(16)));
    let shown = no_key.header("www-authenticate").unwrap();
    assert!(shown.starts_with("invalid preshared key"), "{shown}");
    let wrong = served.send("POST", CHECK, &[("Authorization", "Bearer wrong")], "{}").await;
    let expected =
        json!({"code": 7, "message": "invalid preshared key: invalid token", "details": []});
    assert_eq!((wrong.status, wrong.json()), (403, expected));

    let mut unknown = check("ann");
    unknown["resource"]["objectType"] = json!("nothing");
    let named = [key, ("X-Request-ID", "r1")];
    let unknown = served.send("POST", CHECK, &named, &unknown.to_string()).await;
    let expected = json!({"code": 9, "message": "object definition `nothing` not found", "details": [{
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "ERROR_REASON_UNKNOWN_DEFINITION",
        "domain": "authzed.com",
        "metadata": {"definition_name": "nothing"},
    }]});
    assert_eq!((unknown.status, unknown.json()), (400, expected));
    assert_eq!(unknown.header("x-request-id"), Some("r1"));

    let timed = [key, ("Grpc-Timeout", "1n")];
    let late = served.send("POST", CHECK, &timed, &check("ann").to_string()).await;
    assert_eq!((late.status, late.json()["code"].clone()), (504, json!(4)));
    let created = json!({"updates": [{"operation": "OPERATION_CREATE", "relationship": {
        "resource": {"objectType": "document", "objectId": "plan"}, "relation": "owner",
        "subject": {"object": {"objectType": "user", "objectId": "ann"}}}}]});
    let created = served.post("/v1/relationships/write", &created.to_string()).await;
    assert_eq!((created.status, created.json()["code"].clone()), (409, json!(6)));
    for (method, path, status, code) in [
        ("GET", CHECK, 501, 12),
        ("OPTIONS", CHECK, 501, 12),
        ("POST", "/v1/nothing", 404, 5),
        ("POST", "/", 404, 5),
    ] {
        let answer = served.send(method, path, &[key], "").await;
        assert_eq!((answer.status, answer.json()["code"].clone()), (status, json!(code)));
    }
}

#[tokio::test]
async fn two_different_keys_are_refused_in_whichever_headers_they_are() {
    let served = filled().await;
    let (right, wrong) = (format!("Bearer {KEY}"), "Bearer another");
    let ask = async |headers: &[(&str, &str)]| {
        let answer = served.send("POST", CHECK, headers, &check("ann").to_string()).await;
        (answer.status, answer.body)
    };
    let (plain, metadata) = ("Authorization", "Grpc-Metadata-Authorization");
    assert_eq!(ask(&[(metadata, &right)]).await.0, 200);
    assert_eq!(ask(&[(plain, &right), (metadata, &right)]).await.0, 200);
    for headers in
        [[(plain, right.as_str()), (metadata, wrong)], [(metadata, &right), (plain, wrong)]]
    {
        let (status, body) = ask(&headers).await;
        assert_eq!(status, 401, "{body}");
        assert!(body.contains("two different keys were sent"), "{body}");
    }
    assert_eq!(ask(&[(metadata, wrong)]).await.0, 403);
}

#[tokio::test]
async fn malformed_json_is_refused_with_its_place() {
    let served = filled().await;
    for (body, message) in [
        (r#"{"resource":"#, "unexpected EOF"),
        (r#"{"resource":"x"}"#, r#"proto: syntax error (line 1:13): unexpected token "x""#),
        (
            "{\"permission\":\"a\",\n \"permission\":\"b\"}",
            r#"proto: (line 2:2): duplicate field "permission""#,
        ),
        (
            r#"{"resource":{"objectId":"a","object_id":"b"}}"#,
            r#"proto: (line 1:29): duplicate field "object_id" in resource"#,
        ),
        (
            r#"{"context":{"ip":"1.2.3.4","ip":"10.0.0.1"}}"#,
            r#"proto: (line 1:28): duplicate map key "ip" in context"#,
        ),
        (
            r#"{"context":{"a":[1,{"b":{"c":1,"\u0063":2}}]}}"#,
            r#"proto: (line 1:32): duplicate map key "\u0063" in context.a[1].b"#,
        ),
        ("[]", r"proto: syntax error (line 1:1): unexpected token ["),
        ("{x", "invalid character 'x' looking for beginning of object key string"),
    ] {
        let answer = served.post(CHECK, body).await;
        let expected = json!({"code": 3, "message": message, "details": []});
        assert_eq!((answer.status, answer.json()), (400, expected), "{body}");
    }
    let wrong = served.post(CHECK, r#"{"withTracing":"yes"}"#).await;
    assert_eq!(wrong.status, 400, "{wrong:?}");
    assert!(wrong.json()["message"].as_str().unwrap().starts_with("proto: (line 1:"), "{wrong:?}");
}

#[tokio::test]
async fn a_name_that_occurs_twice_in_stored_json_is_refused_with_its_path() {
    let served = filled().await;
    let write = |caveat: &str, metadata: &str| {
        format!(
            r#"{{"updates":[{{"operation":2,"relationship":{{"resource":{{"objectType":"document","objectId":"plan"}},"relation":"viewer","subject":{{"object":{{"objectType":"user","objectId":"zoe"}}}},"optionalCaveat":{{"caveatName":"only_on","context":{caveat}}}}}}}],"optionalTransactionMetadata":{metadata}}}"#
        )
    };
    let path = "/v1/relationships/write";
    let once = r#"{"allowed":"monday"}"#;
    let twice = r#"{"allowed":"monday","allowed":"friday"}"#;
    for (body, place) in [
        (write(twice, "{}"), "updates[0].relationship.optionalCaveat.context"),
        (write(once, r#"{"by":{"name":"a","name":"b"}}"#), "optionalTransactionMetadata.by"),
    ] {
        let refused = served.post(path, &body).await;
        let message = refused.json()["message"].as_str().unwrap().to_owned();
        assert_eq!(refused.status, 400, "{message}");
        assert!(message.contains("duplicate map key"), "{message}");
        assert!(message.ends_with(&format!(" in {place}")), "{message}");
    }
    assert!(!served.server.has("document:plan#viewer@user:zoe").await);
    // The same name in different objects is not twice.
    let body = write(once, r#"{"name":"a","by":[{"name":"a"},{"name":"a"}]}"#);
    served.posted(path, &body).await;
}

#[tokio::test]
async fn streams_are_lines() {
    let served = filled().await;
    let answer = served.post(READ, &read("")).await;
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(answer.header("transfer-encoding"), Some("chunked"));
    let found: BTreeMap<String, Value> = answer.lines().iter().map(by_subject).collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["ann", "bob", "eve"]);
    let caveat = json!({"caveatName": "only_on", "context": {"allowed": "monday"}});
    assert_eq!(found["bob"]["optionalCaveat"], caveat);
    assert_eq!(found["ann"]["optionalCaveat"], Value::Null);
    assert_eq!(found["eve"]["optionalExpiresAt"], "2100-01-02T03:04:05.500Z");

    let empty = served.post(READ, &read("owner").replace("document", "group")).await;
    assert_eq!(empty.status, 400, "{empty:?}");
    assert_eq!(empty.json()["error"]["code"], json!(9), "an error before the first message");
    served.server.touch(&["group:g#member@user:ann"]).await.unwrap();
    let nothing = read("").replace("\"optionalRelation\":\"\"", "\"optionalResourceId\":\"none\"");
    let empty = served.post(READ, &nothing).await;
    assert_eq!((empty.status, empty.header("content-type"), empty.body.as_str()), (200, None, ""));
}

fn by_subject(line: &Value) -> (String, Value) {
    let relationship = line["result"]["relationship"].clone();
    let subject = relationship["subject"]["object"]["objectId"].as_str().unwrap().to_owned();
    (subject, relationship)
}

#[tokio::test]
async fn a_watch_shows_changes_as_they_come() {
    let served = filled().await;
    let body = r#"{"optionalUpdateKinds":["WATCH_KIND_INCLUDE_RELATIONSHIP_UPDATES","WATCH_KIND_INCLUDE_CHECKPOINTS"]}"#;
    let mut watch = served.open("/v1/watch", body).await;
    // It says where it starts, so that nothing is written before.
    let start = watch.next().await;
    assert_eq!(start["result"]["isCheckpoint"], true, "{start}");
    served.server.touch(&["document:plan#owner@user:zoe"]).await.unwrap();
    let update = watch.next().await;
    assert_eq!(update["result"]["updates"][0]["operation"], "OPERATION_TOUCH", "{update}");
}

#[tokio::test]
async fn an_import_takes_several_values_and_all_of_them_or_none() {
    let served = filled().await;
    let import = |id: &str| {
        let relationship = json!({
            "resource": {"objectType": "group", "objectId": id}, "relation": "member",
            "subject": {"object": {"objectType": "user", "objectId": "ann"}},
        });
        json!({"relationships": [relationship]}).to_string()
    };
    let path = "/v1/relationships/importbulk";
    let loaded = served.posted(path, &format!("{}\n{}", import("g1"), import("g2"))).await;
    assert_eq!(loaded, json!({"numLoaded": "2"}));

    let cut = format!("{}{{\"relationships\":[", import("g3"));
    assert_eq!(served.post(path, &cut).await.status, 400);
    // A connection that breaks within the body is no end of it.
    let key = format!("Bearer {KEY}");
    let headers = [("Authorization", key.as_str()), ("Content-Length", "5000")];
    let mut stream = TcpStream::connect(&served.endpoint).await.unwrap();
    let request = head("POST", path, &headers) + &import("g3");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let mut received = Vec::new();
    stream.read_to_end(&mut received).await.unwrap();
    assert!(received.is_empty() || HttpAnswer::parse(&received).status >= 400);
    assert!(!served.server.has("group:g3#member@user:ann").await);
    assert!(served.server.has("group:g2#member@user:ann").await);
}

#[tokio::test]
async fn health_needs_no_key() {
    let served = HttpServed::start().await;
    let health = served.send("GET", "/healthz", &[], "").await;
    assert_eq!((health.status, health.json()), (200, json!({"status": "SERVING"})));
    let head = served.send("HEAD", "/healthz", &[], "").await;
    assert_eq!((head.status, head.body.as_str()), (501, ""));
}

#[tokio::test]
async fn one_connection_takes_many_requests() {
    let served = filled().await;
    let key = format!("Bearer {KEY}");
    let body = check("ann").to_string();
    let length = body.len().to_string();
    let headers = [("Authorization", key.as_str()), ("Content-Length", length.as_str())];
    let request = head("POST", CHECK, &headers) + &body;
    let mut stream = TcpStream::connect(&served.endpoint).await.unwrap();
    stream.write_all(request.repeat(3).as_bytes()).await.unwrap();
    let mut received = String::new();
    while received.matches("PERMISSIONSHIP_HAS_PERMISSION").count() < 3 {
        let mut bytes = [0; 1024];
        let count = stream.read(&mut bytes).await.unwrap();
        assert_ne!(count, 0, "{received}");
        received.push_str(str::from_utf8(&bytes[..count]).unwrap());
    }
}
