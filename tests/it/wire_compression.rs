//! Which messages the server compresses, as they are on the wire.

use crate::raw_http2::{ACCEPT_GZIP, RawConnection, RawResponse, frame};
use crate::server_support::{SCHEMA, consistency, filter, fresh, question, soon};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use kilwa::proto::authzed::api::v1 as proto;
use prost::Message;
use proto::consistency::Requirement;
use std::io::{Read as _, Write as _};

const CHECK: &str = "/authzed.api.v1.PermissionsService/CheckPermission";
const BULK: &str = "/authzed.api.v1.PermissionsService/CheckBulkPermissions";
const READ: &str = "/authzed.api.v1.PermissionsService/ReadRelationships";
const READ_SCHEMA: &str = "/authzed.api.v1.SchemaService/ReadSchema";
const WATCH: &str = "/authzed.api.v1.WatchService/Watch";

#[tokio::test]
async fn a_small_answer_is_not_compressed_for_a_client_that_merely_can_read_it() {
    let server = fresh().await;
    let mut raw = RawConnection::open(&server.address).await;
    let check = question("document:plan#view@user:ann");
    for (path, response) in [
        (CHECK, raw.call(CHECK, &[ACCEPT_GZIP], &check).await),
        (READ_SCHEMA, raw.call(READ_SCHEMA, &[ACCEPT_GZIP], &proto::ReadSchemaRequest {}).await),
        (BULK, raw.call(BULK, &[ACCEPT_GZIP], &bulk(10)).await),
    ] {
        assert_eq!(flags(&response), [0], "{path}");
        assert_eq!(response.headers.get("grpc-encoding"), None, "{path}");
        assert_eq!(response.trailers["grpc-status"], "0", "{path}");
    }
}

#[tokio::test]
async fn a_compressed_call_is_answered_compressed() {
    let server = fresh().await;
    let mut raw = RawConnection::open(&server.address).await;
    let message = gzip(&question("document:plan#view@user:ann").encode_to_vec());
    let headers = [ACCEPT_GZIP, ("grpc-encoding", "gzip")];
    let response = raw.send(CHECK, &headers, frame(1, &message)).await.finish().await;
    assert_eq!(flags(&response), [1]);
    assert_eq!(response.headers["grpc-encoding"], "gzip");
    let answer = read::<proto::CheckPermissionResponse>(&response);
    assert!(answer[0].checked_at.is_some());

    // A client that does not say that it can read it gets it as it is.
    let headers = [("grpc-encoding", "gzip")];
    let response = raw.send(CHECK, &headers, frame(1, &message)).await.finish().await;
    assert_eq!(flags(&response), [0]);
    assert_eq!(response.headers.get("grpc-encoding"), None);
}

#[tokio::test]
async fn a_large_answer_is_compressed_for_clients_that_can_read_it() {
    let server = fresh().await;
    server.touch(&["document:d7#owner@user:ann"]).await.unwrap();
    let mut raw = RawConnection::open(&server.address).await;
    // One that is compressed where the call is answered, and one that is large enough for a thread of its own.
    for items in [400, 4_000] {
        let plain = raw.call(BULK, &[], &bulk(items)).await;
        assert_eq!(flags(&plain), [0], "{items}");
        assert_eq!(plain.headers.get("grpc-encoding"), None, "{items}");

        let compressed = raw.call(BULK, &[ACCEPT_GZIP], &bulk(items)).await;
        assert_eq!(flags(&compressed), [1], "{items}");
        assert_eq!(compressed.headers["grpc-encoding"], "gzip", "{items}");
        assert_eq!(compressed.trailers["grpc-status"], "0", "{items}");
        assert!(compressed.messages[0].1.len() * 4 < plain.messages[0].1.len(), "{items}");
        let pairs =
            |response| read::<proto::CheckBulkPermissionsResponse>(response)[0].pairs.clone();
        assert_eq!(pairs(&compressed), pairs(&plain), "{items}");
    }
}

#[tokio::test]
async fn a_stream_of_small_messages_is_not_compressed() {
    let server = fresh().await;
    let relationships: Vec<String> =
        (0..900).map(|n| format!("document:d{n}#owner@user:ann")).collect();
    server.touch(&relationships.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();

    let request = proto::ReadRelationshipsRequest {
        consistency: Some(consistency(Requirement::FullyConsistent(true))),
        relationship_filter: Some(filter("document")),
        ..Default::default()
    };
    let mut raw = RawConnection::open(&server.address).await;
    let response = raw.call(READ, &[ACCEPT_GZIP], &request).await;
    assert_eq!(flags(&response), [0; 900]);
    assert_eq!(read::<proto::ReadRelationshipsResponse>(&response).len(), 900);
}

#[tokio::test]
async fn a_watch_answers_before_anything_changes_and_compresses_what_is_large() {
    let server = fresh().await;
    let mut raw = RawConnection::open(&server.address).await;
    let request = frame(0, &proto::WatchRequest::default().encode_to_vec());
    let mut watch = soon(raw.send(WATCH, &[ACCEPT_GZIP], request)).await;
    assert_eq!(watch.headers["grpc-encoding"], "gzip");

    server.touch(&["document:plan#owner@user:ann"]).await.unwrap();
    let (flag, message) = soon(watch.message()).await.unwrap();
    assert_eq!(flag, 0);
    let change = proto::WatchResponse::decode(message.as_slice()).unwrap();
    assert_eq!(change.updates.len(), 1);

    let many: Vec<String> = (0..500).map(|n| format!("document:d{n}#owner@user:ann")).collect();
    server.touch(&many.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
    let (flag, message) = soon(watch.message()).await.unwrap();
    assert_eq!(flag, 1);
    let change = proto::WatchResponse::decode(gunzip(&message).as_slice()).unwrap();
    assert!(change.updates.len() > 100, "{}", change.updates.len());
}

#[tokio::test]
async fn a_large_schema_is_compressed() {
    let server = fresh().await;
    let more: Vec<String> = (0..500).map(|n| format!("definition thing{n} {{}}\n\n")).collect();
    let schema = format!("{SCHEMA}\n{}", more.concat());
    server.write_schema(&schema).await.unwrap();
    let mut raw = RawConnection::open(&server.address).await;
    let response = raw.call(READ_SCHEMA, &[ACCEPT_GZIP], &proto::ReadSchemaRequest {}).await;
    assert_eq!(flags(&response), [1]);
    let read = read::<proto::ReadSchemaResponse>(&response);
    assert!(read[0].schema_text.contains("definition thing499"));
}

fn bulk(items: usize) -> proto::CheckBulkPermissionsRequest {
    let items = (0..items).map(|n| {
        let check = question(&format!("document:d{n}#view@user:ann"));
        proto::CheckBulkPermissionsRequestItem {
            resource: check.resource,
            permission: check.permission,
            subject: check.subject,
            context: None,
        }
    });
    proto::CheckBulkPermissionsRequest { items: items.collect(), ..Default::default() }
}

fn flags(response: &RawResponse) -> Vec<u8> {
    response.messages.iter().map(|(flag, _)| *flag).collect()
}

fn read<M: Message + Default>(response: &RawResponse) -> Vec<M> {
    let decode = |(flag, bytes): &(u8, Vec<u8>)| {
        let message = if *flag == 1 { gunzip(bytes) } else { bytes.clone() };
        M::decode(message.as_slice()).unwrap()
    };
    response.messages.iter().map(decode).collect()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn gunzip(bytes: &[u8]) -> Vec<u8> {
    let mut plain = Vec::new();
    GzDecoder::new(bytes).read_to_end(&mut plain).unwrap();
    plain
}
