//! `ReadSchema` and `WriteSchema`.

use super::server_support::{Fresh, SCHEMA, failure, fresh, require, start};
use kilwa::proto::authzed::api::v1 as proto;
use tonic::{Code, Status};

async fn read(server: &Fresh) -> Result<proto::ReadSchemaResponse, Status> {
    let response = server.schema().await.read_schema(proto::ReadSchemaRequest {}).await?;
    Ok(response.into_inner())
}

#[tokio::test]
async fn a_schema_is_read_back_as_it_was_written() {
    let server = fresh().await;
    let text = format!("// Who may read what.\n{SCHEMA}/* the end */\n");
    server.write_schema(&text).await.unwrap();
    let read = read(&server).await.unwrap();
    assert!(read.read_at.is_some());
    assert_eq!(read.schema_text, text);
}

#[tokio::test]
async fn no_schema_is_not_found() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(super::server_support::config(dir.path())).await;
    let request = proto::ReadSchemaRequest {};
    let refused = server.schema().await.read_schema(request).await.unwrap_err();
    require(&refused, Code::NotFound, "", &[]);
    let refused = server.check("document:plan#view@user:ann").await.unwrap_err();
    require(&refused, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
    server.write_schema("").await.unwrap();
    let refused = server.schema().await.read_schema(proto::ReadSchemaRequest {}).await;
    assert_eq!(refused.unwrap_err().code(), Code::NotFound);
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_schema_that_does_not_parse_is_invalid_with_its_place() {
    let server = fresh().await;
    let text = "definition user {}\ndefinition document {\n  relation viewer user\n}\n";
    let refused = server.write_schema(text).await.unwrap_err();
    let reported = failure(&refused);
    assert_eq!(
        (reported.code, reported.reason.as_str()),
        (Code::InvalidArgument, "SCHEMA_PARSE_ERROR")
    );
    assert!(refused.message().starts_with("parse error in `schema`, line 3, "), "{refused}");
    assert_eq!(reported.metadata["start_line_number"], "2");
    for name in ["start_column_position", "end_line_number", "end_column_position", "source_code"] {
        assert!(reported.metadata.contains_key(name), "{name} in {reported:?}");
    }
    assert!(read(&server).await.unwrap().schema_text.contains("only_on"));
}

#[tokio::test]
async fn a_schema_whose_names_do_not_fit_fails_its_precondition() {
    let server = fresh().await;
    let refused =
        server.write_schema("definition document {\n  relation viewer: nobody\n}\n").await;
    let reported = failure(&refused.unwrap_err());
    assert_eq!(
        (reported.code, reported.reason.as_str()),
        (Code::FailedPrecondition, "SCHEMA_TYPE_ERROR")
    );
    assert_eq!(reported.metadata["definition_name"], "nobody");
    assert_eq!(reported.metadata["start_line_number"], "1");
}

#[tokio::test]
async fn a_schema_whose_parts_do_not_fit_names_them() {
    let server = fresh().await;
    let with = |members: &str| {
        format!(
            "definition user {{}}\ndefinition file {{\n  relation owner: user\n  {members}\n}}\n"
        )
    };
    for (schema, names) in [
        (with("relation owner: user"), &["relation_or_permission_name=owner"][..]),
        (with("permission view = reader"), &["relation_or_permission_name=reader"]),
        (with("relation reader: user | user"), &["relation_name=reader", "allowed_relation=user"]),
        (
            with("permission view = owner\n  permission edit = view->edit"),
            &["permission_name=edit", "used_permission_name=view"],
        ),
        (
            with("relation all: user:*\n  permission view = all->view"),
            &["permission_name=view", "accessed_relation_name=all"],
        ),
        (with("permission view = edit\n  permission edit = view"), &["permission_names=view,edit"]),
    ] {
        let reported = failure(&server.write_schema(&schema).await.unwrap_err());
        assert_eq!(reported.reason, "SCHEMA_TYPE_ERROR", "{schema}");
        assert_eq!(reported.metadata["definition_name"], "file", "{schema}");
        for name in names {
            let (name, value) = name.split_once('=').unwrap();
            assert_eq!(reported.metadata[name], value, "{name} in {reported:?}");
        }
    }
}

#[tokio::test]
async fn a_schema_may_be_so_long() {
    let server = fresh().await;
    let comment = format!("{SCHEMA}// {}\n", "x".repeat(4 << 20));
    let refused = server.write_schema(&comment).await.unwrap_err();
    require(&refused, Code::InvalidArgument, "", &[]);
    assert!(refused.message().starts_with("validation error: schema: "), "{refused}");
}

#[tokio::test]
async fn what_relationships_use_cannot_be_removed() {
    let server = fresh().await;
    server.touch(&["document:plan#owner@user:ann"]).await.unwrap();
    let without_owner = SCHEMA
        .replace("  relation owner: user\n  relation viewer", "  relation viewer")
        .replace("  permission edit = owner\n", "")
        .replace("viewer + edit", "viewer");
    let refused = server.write_schema(&without_owner).await.unwrap_err();
    let reported = failure(&refused);
    assert_eq!(
        (reported.code, reported.reason.as_str()),
        (Code::InvalidArgument, "SCHEMA_TYPE_ERROR")
    );
    assert_eq!(reported.metadata["operation"], "delete_relation");
    assert!(refused.message().contains("document:plan#owner@user:ann"), "{refused}");
    server
        .write(vec![super::server_support::delete("document:plan#owner@user:ann")])
        .await
        .unwrap();
    server.write_schema(&without_owner).await.unwrap();
}
