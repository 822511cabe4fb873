//! The log line of a call: what it has at each level, and what it never has.

use crate::served::Served;
use kilwa::proto::authzed::api::v1 as proto;
use tempfile::TempDir;
use tonic::Code;

const SCHEMA: &str = "definition user {}\ndefinition organization { relation admin: user }";

/// Creates a relationship twice: the text of the second answer names it.
async fn refuse(server: &Server) {
    let object = |object_type: &str, object_id: &str| {
        let (object_type, object_id) = (object_type.to_owned(), object_id.to_owned());
        Some(proto::ObjectReference { object_type, object_id })
    };
    let update = proto::RelationshipUpdate {
        operation: proto::relationship_update::Operation::Create.into(),
        relationship: Some(proto::Relationship {
            resource: object("organization", "secret-name"),
            relation: "admin".to_owned(),
            subject: Some(proto::SubjectReference {
                object: object("user", "ann"),
                ..Default::default()
            }),
            ..Default::default()
        }),
    };
    let request = proto::WriteRelationshipsRequest { updates: vec![update], ..Default::default() };
    let mut permissions = server.0.permissions().await;
    permissions.write_relationships(request.clone()).await.unwrap();
    let refused = permissions.write_relationships(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::AlreadyExists);
    assert!(refused.message().contains("secret-name"), "{refused}");
}

struct Server(Served);

impl Server {
    /// A server to which each call is slow.
    async fn start(folder: &TempDir, level: &str) -> Self {
        let options =
            ["--slow-call-threshold", "1us", "--log-format", "json", "--log-level", level];
        let server = Served::start_with(folder.path(), &options);
        let request = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
        server.schema().await.write_schema(request).await.unwrap();
        Self(server)
    }
}

#[tokio::test]
async fn a_slow_call_that_its_caller_got_wrong_is_logged_without_its_text() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&folder, "info").await;
    refuse(&server).await;
    let line = server.0.await_line("AlreadyExists");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let fields = &line["fields"];
    assert_eq!(fields["message"], "slow or refused call");
    assert_eq!(fields["rpc"], "/authzed.api.v1.PermissionsService/WriteRelationships");
    assert_eq!(fields["reason"], "ATTEMPT_TO_RECREATE_RELATIONSHIP");
    assert!(fields["elapsed"].is_string() && fields["request_id"].is_string(), "{line}");
    assert!(!line.to_string().contains("secret-name"), "{line}");
}

#[tokio::test]
async fn the_text_of_a_call_is_logged_at_debug_under_a_name_of_its_own() {
    let folder = TempDir::new().unwrap();
    let server = Server::start(&folder, "info,kilwa::calls=debug").await;
    refuse(&server).await;
    let line = server.0.await_line("AlreadyExists");
    assert_eq!(line.matches("\"message\"").count(), 1, "{line}");
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    let text = line["fields"]["status_message"].as_str().unwrap();
    assert!(text.contains("organization:secret-name#admin@user:ann"), "{text}");
}
