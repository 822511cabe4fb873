//! Examples of requests and answers.

use serde_json::Value;

/// The path, the request and, where it fits on a few lines, the answer.
const EXAMPLES: &[(&str, &str, &str)] = &[
    (
        "/v1/schema/write",
        r#"{"schema": "definition user {}\n\ndefinition document {\n\trelation viewer: user\n\tpermission view = viewer\n}"}"#,
        r#"{"writtenAt": {"token": "GhUKEzE3OTU4NjQzODA2MTE3Mzg5NTI="}}"#,
    ),
    ("/v1/schema/read", "{}", ""),
    (
        "/v1/schema/diffschema",
        r#"{"consistency": {"fullyConsistent": true}, "comparisonSchema": "definition user {}"}"#,
        "",
    ),
    (
        "/v1/schema/reflectschema",
        r#"{"optionalFilters": [{"optionalDefinitionNameFilter": "document"}]}"#,
        "",
    ),
    (
        "/v1/relationships/write",
        r#"{"updates": [{"operation": "OPERATION_TOUCH", "relationship": {
            "resource": {"objectType": "document", "objectId": "plan"}, "relation": "viewer",
            "subject": {"object": {"objectType": "user", "objectId": "ann"}}}}]}"#,
        r#"{"writtenAt": {"token": "GhUKEzE3OTU4NjQzODA2MTE3Mzg5NTI="}}"#,
    ),
    (
        "/v1/relationships/read",
        r#"{"consistency": {"fullyConsistent": true}, "relationshipFilter": {"resourceType": "document"}, "optionalLimit": 100}"#,
        "",
    ),
    (
        "/v1/relationships/delete",
        r#"{"relationshipFilter": {"resourceType": "document", "optionalResourceId": "plan"}}"#,
        "",
    ),
    (
        "/v1/relationships/importbulk",
        r#"{"relationships": [{
            "resource": {"objectType": "document", "objectId": "plan"}, "relation": "viewer",
            "subject": {"object": {"objectType": "user", "objectId": "bob"}}}]}"#,
        r#"{"numLoaded": "1"}"#,
    ),
    (
        "/v1/relationships/exportbulk",
        r#"{"consistency": {"fullyConsistent": true}, "optionalLimit": 1000}"#,
        "",
    ),
    (
        "/v1/permissions/check",
        r#"{"consistency": {"fullyConsistent": true},
            "resource": {"objectType": "document", "objectId": "plan"}, "permission": "view",
            "subject": {"object": {"objectType": "user", "objectId": "ann"}}}"#,
        r#"{"checkedAt": {"token": "GhUKEzE3OTU4NjQzODA2MTE3Mzg5NTI="}, "permissionship": "PERMISSIONSHIP_HAS_PERMISSION",
            "partialCaveatInfo": null, "debugTrace": null, "optionalExpiresAt": null}"#,
    ),
    (
        "/v1/permissions/checkbulk",
        r#"{"items": [{
            "resource": {"objectType": "document", "objectId": "plan"}, "permission": "view",
            "subject": {"object": {"objectType": "user", "objectId": "ann"}}}]}"#,
        "",
    ),
    (
        "/v1/permissions/expand",
        r#"{"resource": {"objectType": "document", "objectId": "plan"}, "permission": "view"}"#,
        "",
    ),
    (
        "/v1/permissions/resources",
        r#"{"resourceObjectType": "document", "permission": "view",
            "subject": {"object": {"objectType": "user", "objectId": "ann"}}}"#,
        r#"{"lookedUpAt": {"token": "GhUKEzE3OTU4NjQzODA2MTE3Mzg5NTI="}, "resourceObjectId": "plan",
            "permissionship": "LOOKUP_PERMISSIONSHIP_HAS_PERMISSION", "partialCaveatInfo": null,
            "afterResultCursor": {"token": "CgRwbGFu"}}"#,
    ),
    (
        "/v1/permissions/subjects",
        r#"{"resource": {"objectType": "document", "objectId": "plan"}, "permission": "view", "subjectObjectType": "user"}"#,
        "",
    ),
    ("/v1/watch", r#"{"optionalObjectTypes": ["document"]}"#, ""),
    (
        "/kilwa/v1/permissions/list",
        r#"{"resource": {"objectType": "document", "objectId": "plan"},
            "subject": {"object": {"objectType": "user", "objectId": "ann"}}}"#,
        "",
    ),
];

/// The request and the answer of the example of a path.
pub(super) fn find(path: &str) -> (Option<Value>, Option<Value>) {
    let example = EXAMPLES.iter().find(|(of, ..)| *of == path);
    let json = |text: &str| serde_json::from_str(text).ok();
    example.map_or((None, None), |(_, request, response)| (json(request), json(response)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::gateway::Gateway;
    use prost_reflect::{DynamicMessage, MessageDescriptor};

    #[test]
    fn every_example_is_a_message_of_its_method() {
        let gateway = Gateway::new(100).expect("a gateway");
        let fits = |message: MessageDescriptor, text: &str| {
            let mut reader = serde_json::Deserializer::from_str(text);
            let read = DynamicMessage::deserialize(message, &mut reader);
            read.err().map(|error| error.to_string())
        };
        for (path, request, response) in EXAMPLES {
            let (_, method) =
                gateway.methods().find(|(known, _)| known == path).expect("the path of a method");
            assert_eq!(fits(method.input(), request), None, "{path}");
            if !response.is_empty() {
                assert_eq!(fits(method.output(), response), None, "{path}");
            }
        }
    }
}
