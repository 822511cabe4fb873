//! Wrong fields of requests: each is named with the rule that it breaks, over HTTP and gRPC alike.

use super::http_support::HttpServed;
use super::server_support::fresh;
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::buf::validate::Violations;
use prost::Message as _;
use serde_json::{Value, json};
use tonic::Code;

const CHECK: &str = "/v1/permissions/check";
const READ: &str = "/v1/relationships/read";
const WRITE: &str = "/v1/relationships/write";

fn check() -> Value {
    json!({
        "resource": {"objectType": "document", "objectId": "plan"},
        "permission": "view",
        "subject": {"object": {"objectType": "user", "objectId": "ann"}},
    })
}

fn update() -> Value {
    json!({"updates": [{"operation": "OPERATION_TOUCH", "relationship": {
        "resource": {"objectType": "document", "objectId": "plan"}, "relation": "viewer",
        "subject": {"object": {"objectType": "user", "objectId": "ann"}}}}]})
}

/// A value with another one at a place.
fn with(mut value: Value, place: &str, other: Value) -> Value {
    *value.pointer_mut(place).unwrap() = other;
    value
}

/// Requests, and the field and the rule that each breaks.
fn requests() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    [questions(), changes()].concat()
}

fn questions() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let filter = |filter: Value| json!({"relationshipFilter": filter});
    let long = "x".repeat(1025);
    let reference = |relation: &str| json!({"object": {"objectType": "user", "objectId": "ann"}, "optionalRelation": relation});
    vec![
        (CHECK, with(check(), "/resource", Value::Null), "resource", "required"),
        (CHECK, with(check(), "/subject/object", Value::Null), "subject.object", "required"),
        (CHECK, with(check(), "/permission", json!("No")), "permission", "string.pattern"),
        (
            CHECK,
            with(check(), "/resource/objectId", json!(long)),
            "resource.object_id",
            "string.max_bytes",
        ),
        (
            CHECK,
            with(check(), "/subject", reference("No")),
            "subject.optional_relation",
            "string.pattern",
        ),
        (CHECK, with(check(), "/resource/objectId", json!("*")), "resource.object_id", "kilwa"),
        (
            READ,
            filter(json!({"resourceType": "No"})),
            "relationship_filter.resource_type",
            "string.pattern",
        ),
        (
            READ,
            filter(json!({"optionalResourceIdPrefix": "a b"})),
            "relationship_filter.optional_resource_id_prefix",
            "string.pattern",
        ),
        (
            READ,
            filter(
                json!({"optionalSubjectFilter": {"subjectType": "user", "optionalRelation": {"relation": "No"}}}),
            ),
            "relationship_filter.optional_subject_filter.optional_relation.relation",
            "string.pattern",
        ),
        (
            "/v1/permissions/checkbulk",
            json!({"items": [check(), with(check(), "/permission", json!("No"))]}),
            "items[1].permission",
            "string.pattern",
        ),
        (
            "/v1/permissions/resources",
            json!({"resourceObjectType": "document", "subject": reference("")}),
            "permission",
            "string.pattern",
        ),
        (
            "/v1/permissions/subjects",
            with(with(check(), "/subject", Value::Null), "/permission", json!("view")),
            "subject_object_type",
            "string.pattern",
        ),
        (
            "/v1/watch",
            json!({"optionalObjectTypes": ["No"]}),
            "optional_object_types[0]",
            "string.pattern",
        ),
    ]
}

fn changes() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    vec![
        (
            WRITE,
            with(update(), "/updates/0/operation", json!(7)),
            "updates[0].operation",
            "enum.defined_only",
        ),
        (
            WRITE,
            with(update(), "/updates/0/operation", json!(0)),
            "updates[0].operation",
            "enum.not_in",
        ),
        (
            WRITE,
            with(update(), "/updates/0/relationship/relation", json!("No")),
            "updates[0].relationship.relation",
            "string.pattern",
        ),
        (
            "/v1/schema/write",
            json!({"schema": " ".repeat((4 << 20) + 1)}),
            "schema",
            "string.max_bytes",
        ),
        (
            "/kilwa/v1/relationships/setrelation",
            json!({"resource": {"objectType": "document", "objectId": "plan"}, "relation": "No"}),
            "relation",
            "string.pattern",
        ),
    ]
}

#[tokio::test]
async fn each_wrong_field_is_named_with_its_rule() {
    let served = HttpServed::start().await;
    for (path, request, field, rule) in requests() {
        let answer = served.post(path, &request.to_string()).await;
        assert_eq!(answer.status, 400, "{path} {field}: {answer:?}");
        let mut error = answer.json();
        if let Some(inner) = error.get("error") {
            error = inner.clone();
        }
        let violations = error["details"][0]["violations"].as_array().unwrap();
        assert_eq!(error["details"].as_array().unwrap().len(), 1, "{error}");
        let [violation] = &violations[..] else { panic!("{path} {field}: {error}") };
        let message = violation["message"].as_str().unwrap();
        assert_eq!(error["message"], format!("validation error: {field}: {message}"));
        assert_eq!(violation["ruleId"], rule, "{path} {field}");
        // The last field of the path of a rule is its name.
        let steps = violation["rule"]["elements"].as_array().into_iter().flatten();
        let last = steps.last().map_or("kilwa", |step| step["fieldName"].as_str().unwrap());
        assert_eq!(rule.rsplit('.').next(), Some(last), "{path} {field}");
    }
}

#[tokio::test]
async fn clients_of_grpc_get_the_same_detail() {
    let server = fresh().await;
    let request = proto::CheckPermissionRequest {
        permission: "No".to_owned(),
        ..proto::CheckPermissionRequest::default()
    };
    let refused = server.permissions().await.check_permission(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    // In the words for people, as before.
    assert!(refused.message().contains("resource: a value is required"), "{refused}");

    let details = tonic_types::Status::decode(refused.details()).unwrap().details;
    let detail =
        details.iter().find(|detail| detail.type_url.ends_with("/buf.validate.Violations"));
    let found = Violations::decode(detail.unwrap().value.as_slice()).unwrap();
    let found: Vec<(String, &str)> = found
        .violations
        .iter()
        .map(|violation| {
            let elements = &violation.field.as_ref().unwrap().elements;
            let path: Vec<String> = elements
                .iter()
                .map(|element| format!("{}={}", element.field_name(), element.field_number()))
                .collect();
            (path.join("."), violation.rule_id())
        })
        .collect();
    assert_eq!(
        found,
        [
            ("resource=2".to_owned(), "required"),
            ("permission=3".to_owned(), "string.pattern"),
            ("subject=4".to_owned(), "required"),
        ]
    );
}
