//! `kilwa.v1.ValidationService`.

use super::server_support::{Fresh, SCHEMA, fresh, fresh_with, require, soon};
use kilwa::proto::kilwa::v1 as proto;
use proto::{Permissionship, diagnostic};
use std::time::Duration;
use tonic::{Code, Status};

async fn validated(
    server: &Fresh,
    input: proto::validate_request::Input,
) -> Result<proto::ValidateResponse, Status> {
    let request = proto::ValidateRequest { input: Some(input) };
    Ok(server.validation().await.validate(request).await?.into_inner())
}

fn file(text: &str, files: &[(&str, &str)]) -> proto::validate_request::Input {
    let named = |(name, text): &(&str, &str)| proto::ReferencedFile {
        name: (*name).to_owned(),
        text: (*text).to_owned(),
    };
    proto::validate_request::Input::File(proto::ValidationFile {
        name: "access.yaml".to_owned(),
        text: text.to_owned(),
        referenced_files: files.iter().map(named).collect(),
    })
}

const FILE: &str = "schemaFile: ./access.zed
relationships: |-
  document:plan#owner@user:ann
  document:plan#viewer@user:cid[only_on:{\"allowed\":\"monday\"}]
assertions:
  assertTrue:
    - document:plan#view@user:ann
    - document:plan#view@user:bob
  assertCaveated:
    - document:plan#view@user:cid
  assertFalse:
    - document:plan#edit@user:bob
";

#[tokio::test]
async fn a_file_is_run_with_the_files_it_names() {
    let server = fresh().await;
    let response = validated(&server, file(FILE, &[("access.zed", SCHEMA)])).await.unwrap();
    assert!(!response.ok);
    assert_eq!(response.diagnostics, []);
    let reported: Vec<_> =
        response.assertions.iter().map(|result| (result.text.as_str(), result.ok)).collect();
    assert_eq!(
        reported,
        [
            ("document:plan#view@user:ann", true),
            ("document:plan#view@user:bob", false),
            ("document:plan#view@user:cid", true),
            ("document:plan#edit@user:bob", true),
        ]
    );
    let failed = &response.assertions[1];
    assert_eq!(
        (failed.expected(), failed.actual()),
        (Permissionship::HasPermission, Permissionship::NoPermission)
    );
    let range = failed.range.as_ref().unwrap();
    assert_eq!(range.source_name, "access.yaml");
    assert_eq!(range.start, Some(proto::Position { line: 8, column: 7 }));
    let trace = failed.trace.as_ref().unwrap().check.as_ref().unwrap();
    assert_eq!(trace.permission, "view");
    assert_eq!(response.assertions[2].missing_context, ["day"]);
    let counts = response.counts.unwrap();
    assert_eq!((counts.relationships, counts.assertions, counts.assertions_failed), (2, 4, 1));
    // Nothing of it was stored.
    assert!(!server.has("document:plan#view@user:ann").await);
}

#[tokio::test]
async fn a_file_that_is_not_in_the_request_cannot_be_read() {
    let server = fresh().await;
    let response = validated(&server, file(FILE, &[])).await.unwrap();
    assert!(!response.ok);
    let reported = &response.diagnostics[0];
    assert_eq!(reported.severity(), diagnostic::Severity::Error);
    assert!(reported.message.contains("access.zed"), "{reported:?}");
}

#[tokio::test]
async fn a_faulty_schema_is_reported_with_its_position_in_the_file() {
    let server = fresh().await;
    let text = "schema: |-\n  definition user {}\n  definition document {\n    relation viewer: nobody\n  }\n";
    let response = validated(&server, file(text, &[])).await.unwrap();
    assert!(!response.ok);
    let reported = &response.diagnostics[0];
    assert_eq!(reported.stage(), diagnostic::Stage::SchemaType);
    let start = reported.range.as_ref().unwrap().start.unwrap();
    assert_eq!(start.line, 4, "{reported:?}");
}

#[tokio::test]
async fn parts_are_run_like_a_file() {
    let server = fresh().await;
    let parts = proto::ValidationParts {
        schema: SCHEMA.to_owned(),
        relationships: "document:plan#owner@user:ann".to_owned(),
        assertions: Some(proto::Assertions {
            assert_true: vec!["document:plan#view@user:ann".to_owned()],
            assert_caveated: Vec::new(),
            assert_false: vec!["document:plan#view@user:bob".to_owned()],
        }),
        expected_relations: vec![proto::ExpectedRelations {
            object_and_relation: "document:plan#view".to_owned(),
            subjects: vec!["[user:ann] is <document:plan#owner>".to_owned()],
        }],
    };
    let input = proto::validate_request::Input::Parts(parts);
    let response = validated(&server, input).await.unwrap();
    assert!(response.ok, "{response:?}");
    assert_eq!(response.assertions.len(), 2);
    assert_eq!(response.expected_relations.len(), 1);
}

#[tokio::test]
async fn an_input_is_required() {
    let server = fresh().await;
    let request = proto::ValidateRequest { input: None };
    let refused = server.validation().await.validate(request).await.unwrap_err();
    require(&refused, Code::InvalidArgument, "", &[]);
    assert!(refused.message().contains("input"), "{refused}");
}

#[tokio::test]
async fn live_assertions_are_checked_against_stored_relationships() {
    let server = fresh().await;
    let token = server.touch(&["document:plan#owner@user:ann"]).await.unwrap();
    for input in [
        proto::validate_live_request::Input::Assertions(proto::Assertions {
            assert_true: vec!["document:plan#view@user:ann".to_owned()],
            assert_false: vec!["document:plan#view@user:ann".to_owned()],
            assert_caveated: Vec::new(),
        }),
        proto::validate_live_request::Input::AssertionsYaml(
            "assertions:\n  assertTrue:\n    - document:plan#view@user:ann\n  assertFalse:\n    - document:plan#view@user:ann\n"
                .to_owned(),
        ),
    ] {
        let request = proto::ValidateLiveRequest { consistency: None, input: Some(input) };
        let response = server.validation().await.validate_live(request).await.unwrap();
        let response = response.into_inner();
        assert_eq!(response.checked_at, Some(token.clone()));
        assert!(!response.ok);
        let reported: Vec<bool> = response.assertions.iter().map(|result| result.ok).collect();
        assert_eq!(reported, [true, false]);
        assert!(response.assertions[1].trace.is_some());
        assert_eq!(response.counts.unwrap().assertions_failed, 1);
    }
}

#[tokio::test]
async fn a_live_assertion_about_unknown_names_is_an_error_of_its_own() {
    let server = fresh().await;
    let input = proto::validate_live_request::Input::Assertions(proto::Assertions {
        assert_true: vec!["document:plan#nothing@user:ann".to_owned(), "not one".to_owned()],
        ..Default::default()
    });
    let request = proto::ValidateLiveRequest { consistency: None, input: Some(input) };
    let response = server.validation().await.validate_live(request).await.unwrap().into_inner();
    assert!(!response.ok);
    assert_eq!(response.assertions.len(), 1);
    assert!(response.assertions[0].error.contains("nothing"), "{response:?}");
    assert_eq!(response.assertions[0].actual(), Permissionship::Unspecified);
    assert_eq!(response.diagnostics.len(), 1);
}

#[tokio::test]
async fn a_service_of_kilwa_needs_a_key_too() {
    use kilwa::proto::kilwa::v1::validation_service_client::ValidationServiceClient;
    let server = fresh().await;
    let mut bare = ValidationServiceClient::new(server.channel().await);
    let refused = bare.validate(proto::ValidateRequest { input: None }).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
}

#[tokio::test]
async fn a_validation_that_takes_too_long_frees_its_thread() {
    let server = fresh_with(|config| {
        config.database.limits.time_max = Some(Duration::ZERO);
        config.threads_max = 1;
    });
    let server = server.await;
    let late = validated(&server, file(FILE, &[("access.zed", SCHEMA)])).await.unwrap_err();
    require(&late, Code::DeadlineExceeded, "", &[]);
    let assertions = proto::Assertions {
        assert_true: vec!["document:plan#view@user:ann".to_owned()],
        ..Default::default()
    };
    let request = proto::ValidateLiveRequest {
        input: Some(proto::validate_live_request::Input::Assertions(assertions)),
        ..Default::default()
    };
    let late = server.validation().await.validate_live(request).await.unwrap_err();
    require(&late, Code::DeadlineExceeded, "", &[]);
    // What needs the one thread still gets it.
    soon(server.touch(&["document:plan#viewer@user:ann"])).await.unwrap();
}

/// A request is a folder of its own: nothing outside of it is named.
#[tokio::test]
async fn a_schema_file_outside_of_the_requests_folder_is_refused() {
    let server = fresh().await;
    for path in ["../access.zed", "/access.zed", "a/../../access.zed", "C:\\access.zed"] {
        let text = FILE.replace("./access.zed", path);
        let response = validated(&server, file(&text, &[(path, SCHEMA)])).await.unwrap();
        let message = &response.diagnostics[0].message;
        assert!(message.contains("is not local"), "{path}: {message}");
    }
}

#[tokio::test]
async fn some_of_very_many_faults_are_reported_and_the_others_counted() {
    let server = fresh().await;
    let lines = "  document:plan#nothing@user:ann\n".repeat(10_500);
    let text = format!("schemaFile: access.zed\nrelationships: |-\n{lines}");
    let response = validated(&server, file(&text, &[("access.zed", SCHEMA)])).await.unwrap();
    assert!(!response.ok);
    let reported = response.diagnostics;
    assert_eq!(reported.len(), 10_001);
    assert!(
        reported[10_000].message.contains("more are not listed"),
        "{}",
        reported[10_000].message
    );
}
