//! gRPC and JSON at one port.

use super::http_support::HttpServed;
use super::server_support::{KEY, SCHEMA, question, relationship};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::authzed::api::v1::permissions_service_client::PermissionsServiceClient;
use serde_json::json;
use tonic::metadata::MetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

async fn channel(served: &HttpServed) -> Channel {
    let address = format!("http://{}", served.endpoint);
    Channel::from_shared(address).unwrap().connect().await.unwrap()
}

fn with_key<T>(message: T, key: &str) -> Request<T> {
    let mut request = Request::new(message);
    let value = MetadataValue::try_from(format!("Bearer {key}")).unwrap();
    request.metadata_mut().insert("authorization", value);
    request
}

async fn check(served: &HttpServed, key: &str) -> Result<i32, Status> {
    let request = with_key(question("document:plan#view@user:ann"), key);
    let mut client = PermissionsServiceClient::new(channel(served).await);
    Ok(client.check_permission(request).await?.into_inner().permissionship)
}

#[tokio::test]
async fn one_port_answers_grpc_and_json() {
    let served = HttpServed::start_with(|http| http.serves_grpc = true).await;
    served.server.write_schema(SCHEMA).await.unwrap();
    let update = proto::RelationshipUpdate {
        operation: proto::relationship_update::Operation::Touch.into(),
        relationship: Some(relationship("document:plan#owner@user:ann")),
    };
    let write = proto::WriteRelationshipsRequest { updates: vec![update], ..Default::default() };
    let mut client = PermissionsServiceClient::new(channel(&served).await);
    client.write_relationships(with_key(write, KEY)).await.unwrap();

    let has = proto::check_permission_response::Permissionship::HasPermission;
    assert_eq!(check(&served, KEY).await.unwrap(), i32::from(has));
    // With the same keys and errors as at the port of gRPC.
    assert_eq!(check(&served, "wrong").await.unwrap_err().code(), Code::PermissionDenied);
    let filter =
        proto::RelationshipFilter { resource_type: "document".to_owned(), ..Default::default() };
    let read =
        proto::ReadRelationshipsRequest { relationship_filter: Some(filter), ..Default::default() };
    let mut lines = client.read_relationships(with_key(read, KEY)).await.unwrap().into_inner();
    assert!(lines.message().await.unwrap().is_some());
    assert!(lines.message().await.unwrap().is_none());

    let json = json!({
        "consistency": {"fullyConsistent": true}, "permission": "view",
        "resource": {"objectType": "document", "objectId": "plan"},
        "subject": {"object": {"objectType": "user", "objectId": "ann"}},
    });
    let answer = served.posted("/v1/permissions/check", &json.to_string()).await;
    assert_eq!(answer["permissionship"], "PERMISSIONSHIP_HAS_PERMISSION");
    // HTTP/1.1 cannot be gRPC, whatever its content type says.
    let path = "/authzed.api.v1.PermissionsService/CheckPermission";
    let grpc = [("Content-Type", "application/grpc")];
    assert_eq!(served.send("POST", path, &grpc, "").await.status, 404);
}

#[tokio::test]
async fn the_http_port_knows_no_grpc_without_the_flag() {
    let served = HttpServed::start().await;
    let refused = check(&served, KEY).await.unwrap_err();
    // The answer of the gateway to a path that it does not have.
    assert!(refused.message().contains("404"), "{refused}");
}
