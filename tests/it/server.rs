//! The life of a server: keys, health, reflection, trailers, restart, shutdown.

use super::server_support::{
    Fresh, KEY, SCHEMA, config, fresh, fresh_with, question, require, soon, start,
};
use kilwa::config::{Bootstrap, Config, KeySource};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::authzed::api::v1::permissions_service_client::PermissionsServiceClient;
use kilwa::server::Server;
use prost::bytes::BufMut as _;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::time::Duration;
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

#[tokio::test]
async fn every_given_key_opens_and_no_other() {
    let server = fresh().await;
    let ask = question("document:plan#view@user:ann");
    for key in [KEY, "another key"] {
        server.permissions_as(key).await.check_permission(ask.clone()).await.unwrap();
    }
    for key in ["wrong", "a key for testS", "a key for tests."] {
        let refused = server.permissions_as(key).await.check_permission(ask.clone()).await;
        let refused = refused.unwrap_err();
        require(&refused, Code::PermissionDenied, "", &[]);
        assert_eq!(refused.message(), "invalid preshared key: invalid token");
    }
}

#[tokio::test]
async fn a_call_without_a_well_formed_key_is_unauthenticated() {
    let server = fresh().await;
    let mut bare = PermissionsServiceClient::new(server.channel().await);
    for header in [None, Some(KEY), Some("Basic abc"), Some("Bearer "), Some("Bearer")] {
        // Malformed in other ways too: the key is looked at first.
        let mut request = Request::new(proto::CheckPermissionRequest {
            consistency: Some(proto::Consistency { requirement: None }),
            ..Default::default()
        });
        if let Some(header) = header {
            request.metadata_mut().insert("authorization", header.parse().unwrap());
        }
        let refused = bare.check_permission(request).await.unwrap_err();
        require(&refused, Code::Unauthenticated, "", &[]);
        assert!(refused.message().starts_with("invalid preshared key: "), "{refused}");
    }
    let mut request = Request::new(question("document:plan#view@user:ann"));
    let header = format!("bEARER {KEY}");
    request.metadata_mut().insert("authorization", header.parse().unwrap());
    bare.check_permission(request).await.unwrap();
}

#[tokio::test]
async fn health_needs_no_key() {
    let server = fresh().await;
    let mut client = HealthClient::new(server.channel().await);
    for service in [
        "",
        "authzed.api.v1.PermissionsService",
        "authzed.api.v1.SchemaService",
        "authzed.api.v1.WatchService",
        "kilwa.v1.LookupService",
        "kilwa.v1.ValidationService",
        "kilwa.v1.WatchService",
    ] {
        let request = HealthCheckRequest { service: service.to_owned() };
        let status = client.check(request).await.unwrap().into_inner().status();
        assert_eq!(status, ServingStatus::Serving, "{service}");
    }
    let request = HealthCheckRequest { service: "nobody".to_owned() };
    assert_eq!(client.check(request).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn reflection_lists_every_service_and_needs_no_key() {
    let server = fresh().await;
    let mut client = ServerReflectionClient::new(server.channel().await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let requests = tokio_stream::iter([request]);
    let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap().message_response.unwrap();
    let MessageResponse::ListServicesResponse(list) = answer else { panic!("{answer:?}") };
    let names: Vec<String> = list.service.into_iter().map(|service| service.name).collect();
    for service in [
        "authzed.api.v1.PermissionsService",
        "authzed.api.v1.SchemaService",
        "authzed.api.v1.WatchService",
        "authzed.api.v1.ExperimentalService",
        "kilwa.v1.ValidationService",
        "grpc.health.v1.Health",
        "grpc.reflection.v1.ServerReflection",
        "grpc.reflection.v1alpha.ServerReflection",
    ] {
        assert!(names.iter().any(|name| name == service), "{service} in {names:?}");
    }
}

#[tokio::test]
async fn services_without_a_key_take_short_names_only() {
    let server = fresh().await;
    let long = "a".repeat(1 << 20);
    let mut health = HealthClient::new(server.channel().await);
    let refused = health.check(HealthCheckRequest { service: long.clone() }).await.unwrap_err();
    assert!(refused.message().contains("too large"), "{refused}");
    let mut reflection = ServerReflectionClient::new(server.channel().await);
    let request = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol(long)),
    };
    let requested = reflection.server_reflection_info(tokio_stream::iter([request])).await;
    // Its stream ends when it cannot be read.
    let answer = match requested {
        Ok(answers) => answers.into_inner().message().await.unwrap_or_default(),
        Err(_) => None,
    };
    assert!(answer.is_none(), "{answer:?}");
}

#[tokio::test]
async fn the_older_reflection_answers_too() {
    use tonic_reflection::pb::v1alpha as older;
    let server = fresh().await;
    let mut client =
        older::server_reflection_client::ServerReflectionClient::new(server.channel().await);
    let symbol = "kilwa.v1.ValidationService".to_owned();
    let request = older::ServerReflectionRequest {
        host: String::new(),
        message_request: Some(
            older::server_reflection_request::MessageRequest::FileContainingSymbol(symbol),
        ),
    };
    let requests = tokio_stream::iter([request]);
    let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    assert!(matches!(
        answer.message_response,
        Some(older::server_reflection_response::MessageResponse::FileDescriptorResponse(_))
    ));
}

#[tokio::test]
async fn a_response_ends_with_its_id_its_cost_and_the_version_if_requested() {
    let server = fresh().await;
    server.touch(&["document:plan#owner@user:ann"]).await.unwrap();
    let mut request = Request::new(question("document:plan#view@user:ann"));
    request.metadata_mut().insert("x-request-id", "mine".parse().unwrap());
    request.metadata_mut().insert("io.spicedb.requestversion", "true".parse().unwrap());
    let response = server.permissions().await.check_permission(request).await.unwrap();
    // The client library merges trailers with the headers.
    let metadata = response.metadata();
    assert_eq!(metadata.get("x-request-id").unwrap(), "mine");
    assert!(metadata.get("io.spicedb.debug.version").is_some());
    let count = |name| metadata.get(name).unwrap().to_str().unwrap().parse::<u64>().unwrap();
    assert!(count("io.spicedb.respmeta.dispatchedoperationscount") > 0);
    count("io.spicedb.respmeta.cachedoperationscount");

    let response =
        server.permissions().await.check_permission(question("document:x#view@user:x")).await;
    let response = response.unwrap();
    assert!(!response.metadata().get("x-request-id").unwrap().is_empty());
    assert!(response.metadata().get("io.spicedb.debug.version").is_none());

    let refused = server.permissions_as("wrong").await;
    let refused = { refused }.check_permission(question("document:x#view@user:x")).await;
    assert!(refused.unwrap_err().metadata().get("x-request-id").is_some());
}

#[tokio::test]
async fn compressed_messages_are_understood_and_given_back() {
    use tonic::codec::CompressionEncoding::Gzip;
    let server = fresh().await;
    let mut client = server.permissions().await.send_compressed(Gzip).accept_compressed(Gzip);
    let response = client.check_permission(question("document:plan#view@user:ann")).await;
    assert_eq!(response.unwrap().metadata().get("grpc-encoding").unwrap(), "gzip");
}

#[tokio::test]
async fn bytes_that_are_no_message_are_invalid() {
    let server = fresh().await;
    for method in ["CheckPermission", "WriteRelationships", "DeleteRelationships"] {
        for bytes in [&b"\xff\xff\xff"[..], b"\x1a\x02\xff\xfe", b"\x0a\x7f"] {
            let refused = call_raw(&server, method, bytes).await.unwrap_err();
            require(&refused, Code::InvalidArgument, "", &[]);
        }
    }
}

#[tokio::test]
async fn a_message_that_is_too_large_exhausts_what_there_is() {
    let server = fresh().await;
    let refused = call_raw(&server, "CheckPermission", &vec![0; 17 << 20]).await.unwrap_err();
    require(&refused, Code::ResourceExhausted, "", &[]);
    assert!(refused.message().contains("too large"), "{refused}");
}

#[tokio::test]
async fn a_call_that_does_not_exist_is_not_implemented() {
    let server = fresh().await;
    let refused = call_raw(&server, "Forget", b"").await.unwrap_err();
    require(&refused, Code::Unimplemented, "", &[]);
    assert!(!refused.message().is_empty());
}

/// Sends bytes, of which the server may make what it can.
async fn call_raw(server: &Fresh, method: &str, bytes: &[u8]) -> Result<(), Status> {
    let mut client = tonic::client::Grpc::new(server.channel().await);
    client.ready().await.unwrap();
    let mut request = Request::new(bytes.to_vec());
    let key = format!("Bearer {KEY}").parse().unwrap();
    request.metadata_mut().insert("authorization", key);
    let path = format!("/authzed.api.v1.PermissionsService/{method}").parse().unwrap();
    client.unary(request, path, Bytes).await.map(|_| ())
}

/// Messages that are bytes already.
struct Bytes;

impl Codec for Bytes {
    type Encode = Vec<u8>;
    type Decode = ();
    type Encoder = Self;
    type Decoder = Self;

    fn encoder(&mut self) -> Self {
        Self
    }

    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for Bytes {
    type Item = Vec<u8>;
    type Error = Status;

    fn encode(&mut self, bytes: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        buffer.put_slice(&bytes);
        Ok(())
    }
}

impl Decoder for Bytes {
    type Item = ();
    type Error = Status;

    fn decode(&mut self, _: &mut DecodeBuf<'_>) -> Result<Option<()>, Status> {
        Ok(Some(()))
    }
}

#[tokio::test]
async fn what_was_written_and_the_token_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let server = start(config(dir.path())).await;
    server.write_schema(SCHEMA).await.unwrap();
    let token = server.touch(&["document:plan#owner@user:ann"]).await.unwrap();
    server.touch(&["document:plan#owner@user:bob"]).await.unwrap();
    server.stop().await.unwrap();

    let server = start(config(dir.path())).await;
    assert!(server.has("document:plan#view@user:bob").await);
    for (subject, expected) in [("ann", true), ("bob", false)] {
        let mut request = question(&format!("document:plan#view@user:{subject}"));
        let requirement = proto::consistency::Requirement::AtExactSnapshot(token.clone());
        request.consistency = Some(super::server_support::consistency(requirement));
        let response = server.permissions().await.check_permission(request).await.unwrap();
        let has = proto::check_permission_response::Permissionship::HasPermission;
        assert_eq!(response.into_inner().permissionship() == has, expected, "{subject}");
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_shutdown_waits_for_nobody_longer_than_the_grace_period() {
    let server = fresh_with(|config| config.shutdown_grace = Duration::from_millis(50)).await;
    let relationships: Vec<String> =
        (0..900).map(|n| format!("document:d{n}#owner@user:ann")).collect();
    for part in relationships.chunks(300) {
        server.touch(&part.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
    }
    // A stream without a reader.
    let request = proto::ReadRelationshipsRequest {
        relationship_filter: Some(super::server_support::filter("document")),
        ..Default::default()
    };
    let mut client = server.permissions().await;
    let unread = client.read_relationships(request).await.unwrap();
    let channel = server.channel().await;
    soon(server.server.stop()).await.unwrap();
    drop(unread);
    let mut late = PermissionsServiceClient::new(channel);
    late.check_permission(question("document:plan#view@user:ann")).await.unwrap_err();
}

#[tokio::test]
async fn a_second_server_on_the_same_folder_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let first = Server::open(&config(dir.path())).unwrap();
    let second = Server::open(&config(dir.path())).unwrap_err().to_string();
    assert!(second.contains("in use"), "{second}");
    drop(first);
}

#[test]
fn a_data_folder_is_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("data");
    drop(Server::open(&config(&folder)).unwrap());
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn a_key_is_made_once_and_kept_privately() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    drop(Server::open(&config).unwrap());
    config.keys = Vec::new();
    let path = dir.path().join("preshared.key");
    // Left by an interrupted start.
    let unfinished = dir.path().join("preshared.key.new");
    fs::write(&unfinished, "half a k").unwrap();
    fs::set_permissions(&unfinished, fs::Permissions::from_mode(0o644)).unwrap();
    let made = Server::open(&config).unwrap();
    assert_eq!(*made.key_source(), KeySource::Made(path.clone()));
    drop(made);
    let key = fs::read_to_string(&path).unwrap();
    assert!(key.trim().len() >= 40, "{key}");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let kept = Server::open(&config).unwrap();
    assert_eq!(*kept.key_source(), KeySource::Kept(path.clone()));
    assert_eq!(fs::read_to_string(&path).unwrap(), key);
}

#[tokio::test]
async fn the_kept_key_opens() {
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.keys = Vec::new();
    drop(Server::open(&config).unwrap());
    let key = fs::read_to_string(dir.path().join("preshared.key")).unwrap();
    let server = start(config).await;
    let mut client = server.permissions_as(key.trim()).await;
    // No schema yet: the key was accepted, the request refused.
    let refused = client.check_permission(question("document:plan#view@user:ann")).await;
    assert_eq!(refused.unwrap_err().code(), Code::FailedPrecondition);
    server.stop().await.unwrap();
}

#[test]
fn keys_that_protect_nothing_are_refused() {
    for key in ["", " key", "key "] {
        let mut config = Config::new(tempfile::tempdir().unwrap().path().join("data"));
        config.keys = vec![key.to_owned()];
        config.load_keys().unwrap_err();
    }
}

#[tokio::test]
async fn an_empty_store_starts_with_its_bootstrap_and_a_full_one_does_not() {
    let dir = tempfile::tempdir().unwrap();
    let bootstrap = |relationship: &str| Bootstrap {
        schema: SCHEMA.to_owned(),
        relationships: vec![relationship.parse().unwrap()],
    };
    let mut config = config(dir.path());
    config.bootstrap = Some(bootstrap("document:plan#owner@user:ann"));
    let server = start(config.clone()).await;
    assert!(server.has("document:plan#view@user:ann").await);
    server.stop().await.unwrap();

    config.bootstrap = Some(bootstrap("document:plan#owner@user:bob"));
    let server = start(config).await;
    assert!(server.has("document:plan#view@user:ann").await);
    assert!(!server.has("document:plan#view@user:bob").await);
    server.stop().await.unwrap();
}
