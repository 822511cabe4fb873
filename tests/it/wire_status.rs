//! How a failure's message stands on the wire, and how a client reads it.

use crate::raw_http2::RawConnection;
use crate::server_support::{create, fresh, question};
use kilwa::proto::authzed::api::v1 as proto;
use tonic::Code;

const WRITE: &str = "/authzed.api.v1.PermissionsService/WriteRelationships";
const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";

#[tokio::test]
async fn a_message_is_readable_on_the_wire() {
    let server = fresh().await;
    let again = || create("document:n1#owner@user:ann");
    server.write(vec![again()]).await.unwrap();
    let mut raw = RawConnection::open(&server.address).await;
    let request = proto::WriteRelationshipsRequest { updates: vec![again()], ..Default::default() };
    let response = raw.call(WRITE, &[], &request).await;
    let ends = if response.trailers.is_empty() { response.headers } else { response.trailers };
    assert_eq!(ends["grpc-status"], "6");
    let message = ends["grpc-message"].to_str().unwrap();
    assert!(message.contains("document:n1#owner@user:ann"), "{message}");
    assert!(message.contains(' ') && !message.contains('%'), "{message}");
}

#[tokio::test]
async fn letters_beyond_ascii_and_percent_signs_come_through() {
    let server = fresh().await;
    let mut request = question("document:n1#view@user:ann");
    request.permission = "100%é#".to_owned();
    let mut raw = RawConnection::open(&server.address).await;
    let response = raw.call(CHECK, &[], &request).await;
    let ends = if response.trailers.is_empty() { response.headers } else { response.trailers };
    let message = ends["grpc-message"].to_str().unwrap();
    assert!(message.contains("100%25%C3%A9#"), "{message}");

    let refused = server.permissions().await.check_permission(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("100%é#"), "{refused}");
}
