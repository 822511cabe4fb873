//! The lives of the example systems' tenants, played on a real server with a real disk: after every event, every
//! permission of every subject on every object so far is what the system's matrix says.

mod events;
mod matrix;

use crate::served::Served;
use crate::server_support::{Keyed, consistency, structure};
use events::{Event, Life};
use kilwa::proto::authzed::api::v1 as proto;
use matrix::{Cell, Matrix, Value};
use proto::check_bulk_permissions_pair::Response;
use proto::check_permission_response::Permissionship;
use proto::consistency::Requirement;
use proto::permissions_service_client::PermissionsServiceClient;
use std::fs;
use std::path::Path;

/// How many checks one bulk check takes.
const QUESTIONS_MAX: usize = 10_000;
/// How many wrong cells a failure shows.
const WRONG_SHOWN_MAX: usize = 20;

type Client = PermissionsServiceClient<Keyed>;

#[tokio::test]
async fn gotify() {
    play("gotify").await;
}

#[tokio::test]
async fn jetlinks() {
    play("jetlinks").await;
}

#[tokio::test]
async fn gitpod() {
    play("gitpod").await;
}

#[tokio::test]
async fn apollo() {
    play("apollo").await;
}

#[tokio::test]
async fn dify() {
    play("dify").await;
}

async fn play(system: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema-examples").join(system);
    let schema = fs::read_to_string(folder.join("schema.zed")).unwrap();
    let life = Life::read(&fs::read_to_string(folder.join("events.yaml")).unwrap());
    let mut matrix = Matrix::new(&schema, &life.subjects);

    let data = tempfile::tempdir().unwrap();
    let server = Served::start(data.path());
    let written = server.schema().await.write_schema(proto::WriteSchemaRequest { schema }).await;
    let mut token = written.unwrap().into_inner().written_at.unwrap();
    let mut client = server.permissions().await;
    for event in &life.events {
        token = happen(&mut client, event).await.unwrap_or(token);
        matrix.change(&event.rows);
        require(&matrix, &mut client, &token, &life.context, &event.name).await;
    }
    assert!(matrix.never_held().is_empty(), "no life without {:?}", matrix.never_held());

    drop(server);
    let server = Served::start(data.path());
    let mut client = server.permissions().await;
    require(&matrix, &mut client, &token, &life.context, "a kill and another start").await;
}

/// Makes the changes of an event; the token is that of the last one.
async fn happen(client: &mut Client, event: &Event) -> Option<proto::ZedToken> {
    let mut token = None;
    if !event.updates.is_empty() {
        let updates = event.updates.clone();
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        let written = client.write_relationships(request).await;
        token = written.unwrap_or_else(|e| panic!("{}: {e}", event.name)).into_inner().written_at;
    }
    for filter in &event.deletions {
        let request = proto::DeleteRelationshipsRequest {
            relationship_filter: Some(filter.clone()),
            ..Default::default()
        };
        let deleted = client.delete_relationships(request).await;
        token = deleted.unwrap_or_else(|e| panic!("{}: {e}", event.name)).into_inner().deleted_at;
    }
    token
}

/// Checks every cell, and fails with those that are wrong.
async fn require(
    matrix: &Matrix,
    client: &mut Client,
    token: &proto::ZedToken,
    context: &str,
    event: &str,
) {
    let cells = matrix.cells();
    let mut wrong = Vec::new();
    for cells in cells.chunks(QUESTIONS_MAX) {
        let request = proto::CheckBulkPermissionsRequest {
            consistency: Some(consistency(Requirement::AtLeastAsFresh(token.clone()))),
            items: cells.iter().map(|cell| item(cell, context)).collect(),
            ..Default::default()
        };
        let pairs = client.check_bulk_permissions(request).await.unwrap().into_inner().pairs;
        assert_eq!(pairs.len(), cells.len());
        for (cell, pair) in cells.iter().zip(pairs) {
            let actual = value(pair.response.unwrap());
            if actual.as_ref() != Ok(&cell.expected) {
                wrong.push(format!("{cell}: expected {:?}, got {actual:?}", cell.expected));
            }
        }
    }
    let shown = wrong.iter().take(WRONG_SHOWN_MAX).map(String::as_str).collect::<Vec<_>>();
    assert!(
        wrong.is_empty(),
        "after `{event}`, {} of {} cells are wrong:\n{}",
        wrong.len(),
        cells.len(),
        shown.join("\n")
    );
}

fn item(cell: &Cell, context: &str) -> proto::CheckBulkPermissionsRequestItem {
    let question = crate::server_support::question(&cell.to_string());
    proto::CheckBulkPermissionsRequestItem {
        resource: question.resource,
        permission: question.permission,
        subject: question.subject,
        context: Some(structure(context)),
    }
}

fn value(response: Response) -> Result<Value, String> {
    match response {
        Response::Error(status) => Err(status.message),
        Response::Item(item) => match item.permissionship() {
            Permissionship::HasPermission => Ok(Value::Yes),
            Permissionship::NoPermission => Ok(Value::No),
            Permissionship::ConditionalPermission => Ok(Value::Conditional),
            Permissionship::Unspecified => Err("no permissionship".to_owned()),
        },
    }
}
