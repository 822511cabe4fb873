//! The routes of AuthZEN, which no descriptor has.

use serde_json::{Map, Value, json};

/// The name of the group of these routes.
pub(super) const TAG: &str = "AuthZEN";
/// What the group is.
pub(super) const ABOUT: &str = "The Authorization API 1.0 of the OpenID Foundation.";

/// A path that requests are posted to.
struct AuthzenRoute {
    path: &'static str,
    /// The name of the operation.
    id: &'static str,
    about: &'static str,
    /// The schemas of the request and the answer.
    schemas: [&'static str; 2],
    example: &'static str,
}

const ROUTES: &[AuthzenRoute] = &[
    AuthzenRoute {
        path: "/access/v1/evaluation",
        id: "AuthzenEvaluation",
        about: "Whether a subject may perform an action on a resource.",
        schemas: ["AuthZEN.Evaluation", "AuthZEN.Decision"],
        example: r#"{"subject": {"type": "user", "id": "ann"}, "action": {"name": "view"}, "resource": {"type": "document", "id": "plan"}}"#,
    },
    AuthzenRoute {
        path: "/access/v1/evaluations",
        id: "AuthzenEvaluations",
        about: "Several evaluations at one revision. Without items it is a single one, and answered as such.",
        schemas: ["AuthZEN.Evaluations", "AuthZEN.Decisions"],
        example: r#"{"subject": {"type": "user", "id": "ann"}, "resource": {"type": "document", "id": "plan"},
            "evaluations": [{"action": {"name": "view"}}, {"action": {"name": "edit"}}]}"#,
    },
    AuthzenRoute {
        path: "/access/v1/search/subject",
        id: "AuthzenSearchSubjects",
        about: "The subjects of a type that may perform an action on a resource.",
        schemas: ["AuthZEN.Search", "AuthZEN.Results"],
        example: r#"{"subject": {"type": "user"}, "action": {"name": "view"}, "resource": {"type": "document", "id": "plan"}}"#,
    },
    AuthzenRoute {
        path: "/access/v1/search/resource",
        id: "AuthzenSearchResources",
        about: "The resources of a type on which a subject may perform an action.",
        schemas: ["AuthZEN.Search", "AuthZEN.Results"],
        example: r#"{"subject": {"type": "user", "id": "ann"}, "action": {"name": "view"}, "resource": {"type": "document"}}"#,
    },
    AuthzenRoute {
        path: "/access/v1/search/action",
        id: "AuthzenSearchActions",
        about: "The actions that a subject may perform on a resource.",
        schemas: ["AuthZEN.Search", "AuthZEN.Results"],
        example: r#"{"subject": {"type": "user", "id": "ann"}, "resource": {"type": "document", "id": "plan"}}"#,
    },
];

/// The paths with their operations.
pub(super) fn paths() -> Map<String, Value> {
    let with_path =
        |route: &AuthzenRoute| (route.path.to_owned(), json!({"post": operation(route)}));
    ROUTES.iter().map(with_path).collect()
}

fn operation(route: &AuthzenRoute) -> Value {
    let AuthzenRoute { id, about, schemas: [request, answer], example, .. } = route;
    let example: Value = serde_json::from_str(example).unwrap_or_default();
    let content = json!({"schema": reference(request), "example": example});
    let mistake = json!({"type": "string", "description": "What is wrong."});

    json!({
        "operationId": id,
        "tags": [TAG],
        "summary": about,
        "requestBody": {"required": true, "content": {"application/json": content}},
        "responses": {
            "200": {
                "description": "The answer.",
                "headers": {"X-Request-Id": {"$ref": "#/components/headers/RequestId"}},
                "content": {"application/json": {"schema": reference(answer)}},
            },
            "default": {
                "description": "The request was not answered.",
                "content": {"application/json": {"schema": mistake}},
            },
        },
    })
}

/// The schemas that the paths refer to.
pub(super) fn schemas() -> Map<String, Value> {
    let named = |(name, schema): (&str, Value)| (format!("AuthZEN.{name}"), schema);
    requests().into_iter().chain(answers()).map(named).collect()
}

fn requests() -> [(&'static str, Value); 6] {
    let properties = json!({"type": "object", "additionalProperties": true});
    let text = json!({"type": "string"});
    let entity = |about: &str| {
        json!({
            "type": "object",
            "description": about,
            "required": ["type"],
            "properties": {"type": text, "id": text, "properties": properties},
        })
    };
    let question = json!({
        "subject": reference("AuthZEN.Entity"),
        "action": reference("AuthZEN.Action"),
        "resource": reference("AuthZEN.Entity"),
        "context": properties,
    });
    let with = |more: Value| {
        let members = question.as_object().into_iter().chain(more.as_object()).flatten();
        let members = members.map(|(name, schema)| (name.clone(), schema.clone()));
        Value::Object(members.collect())
    };

    [
        ("Entity", entity("A subject or a resource. A search needs no `id` of what it looks for.")),
        (
            "Action",
            json!({
                "type": "object",
                "required": ["name"],
                "properties": {"name": text, "properties": properties},
            }),
        ),
        (
            "Evaluation",
            json!({
                "type": "object",
                "required": ["subject", "action", "resource"],
                "properties": with(json!({"options": {
                    "type": "object", "properties": {"reasons": {"type": "boolean"}}}})),
            }),
        ),
        ("Item", json!({"type": "object", "properties": question})),
        (
            "Evaluations",
            json!({
                "type": "object",
                "description": "Items that lack a member have that of the request, as a whole.",
                "properties": with(json!({
                    "evaluations": {"type": "array", "items": reference("AuthZEN.Item")},
                    "options": {"type": "object", "properties": {
                        "evaluations_semantic": {"type": "string", "enum": [
                            "execute_all", "deny_on_first_deny", "permit_on_first_permit"]},
                        "reasons": {"type": "boolean"},
                    }},
                })),
            }),
        ),
        (
            "Search",
            json!({
                "type": "object",
                "required": ["subject", "resource"],
                "properties": with(json!({"page": {"type": "object", "properties": {
                    "token": text, "limit": {"type": "integer", "minimum": 0}}}})),
            }),
        ),
    ]
}

fn answers() -> [(&'static str, Value); 3] {
    let decision = json!({
        "decision": {"type": "boolean"},
        "context": {"type": "object", "additionalProperties": true},
    });
    let found = json!({"type": "object", "properties": {
        "type": {"type": "string"}, "id": {"type": "string"}, "name": {"type": "string"}}});

    [
        ("Decision", json!({"type": "object", "required": ["decision"], "properties": decision})),
        (
            "Decisions",
            json!({"type": "object", "properties": {
                "evaluations": {"type": "array", "items": reference("AuthZEN.Decision")},
                "decision": {"type": "boolean", "description": "Without items in the request."},
            }}),
        ),
        (
            "Results",
            json!({
                "type": "object",
                "description": "Entities with `type` and `id`, or actions with `name`.",
                "required": ["results"],
                "properties": {
                    "page": {"type": "object", "properties": {
                        "next_token": {"type": "string", "description": "Empty on the last page."}}},
                    "results": {"type": "array", "items": found},
                },
            }),
        ),
    ]
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}
