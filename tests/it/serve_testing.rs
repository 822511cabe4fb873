//! Servers for tests: a database for each key, and their twins that do not write. And servers that never write.

use crate::peer::keyed;
use crate::server_support::{
    KEY, SCHEMA, config, create, filter, fresh_with, question, require, start, touch,
};
use kilwa::config::{Bootstrap, Config};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::kilwa::v1 as own;
use kilwa::server::{ServerError, TestListeners, run_testing};
use own::relationships_service_client::RelationshipsServiceClient;
use proto::check_permission_response::Permissionship;
use proto::permissions_service_client::PermissionsServiceClient;
use proto::schema_service_client::SchemaServiceClient;
use std::path::PathBuf;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;

/// A server for tests, and channels to both of its addresses.
struct Testing {
    all: Channel,
    read_only: Channel,
    stop: oneshot::Sender<()>,
    serving: JoinHandle<Result<(), ServerError>>,
}

impl Testing {
    async fn start() -> Self {
        Self::start_with(Config::new(PathBuf::new())).await
    }

    async fn start_with(config: Config) -> Self {
        let [all, read_only] = [bound().await, bound().await];
        let channel = |listener: &TcpListener| {
            let address = format!("http://{}", listener.local_addr().unwrap());
            Channel::from_shared(address).unwrap().connect_lazy()
        };
        let channels = (channel(&all), channel(&read_only));
        let (stop, stopped) = oneshot::channel();
        let listeners = TestListeners { all, read_only: Some(read_only) };
        let serving = tokio::spawn(run_testing(listeners, config, async {
            let _ = stopped.await;
        }));
        Self { all: channels.0, read_only: channels.1, stop, serving }
    }

    fn schema(&self) -> SchemaServiceClient<Channel> {
        SchemaServiceClient::new(self.all.clone())
    }

    async fn write_schema(&self, key: &str) {
        let request = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
        self.schema().write_schema(keyed(key, request)).await.unwrap();
    }

    async fn write(&self, key: &str, relationship: &str) -> Result<(), Status> {
        let updates = vec![create(relationship)];
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        let mut client = PermissionsServiceClient::new(self.all.clone());
        client.write_relationships(keyed(key, request)).await.map(|_| ())
    }

    async fn stop(self) {
        let _ = self.stop.send(());
        self.serving.await.unwrap().unwrap();
    }
}

async fn bound() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").await.unwrap()
}

async fn has(channel: &Channel, key: &str, text: &str) -> Result<bool, Status> {
    let mut client = PermissionsServiceClient::new(channel.clone());
    let response = client.check_permission(keyed(key, question(text))).await?;
    Ok(response.into_inner().permissionship() == Permissionship::HasPermission)
}

#[tokio::test]
async fn each_key_has_a_database_of_its_own() {
    let server = Testing::start().await;
    server.write_schema("one").await;
    server.write("one", "document:plan#viewer@user:ann").await.unwrap();
    assert!(has(&server.all, "one", "document:plan#view@user:ann").await.unwrap());

    let unknown = has(&server.all, "two", "document:plan#view@user:ann").await.unwrap_err();
    require(&unknown, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
    server.write_schema("two").await;
    assert!(!has(&server.all, "two", "document:plan#view@user:ann").await.unwrap());
    // Names that are used there are free here.
    server.write("two", "document:plan#viewer@user:ann").await.unwrap();
    assert_eq!(
        server.write("two", "document:plan#viewer@user:ann").await.unwrap_err().code(),
        Code::AlreadyExists
    );
    server.stop().await;
}

#[tokio::test]
async fn calls_without_a_key_share_one() {
    let server = Testing::start().await;
    let text = SCHEMA.to_owned();
    let request = proto::WriteSchemaRequest { schema: text.clone() };
    server.schema().write_schema(request).await.unwrap();
    let read = server.schema().read_schema(proto::ReadSchemaRequest {}).await.unwrap();
    assert_eq!(read.into_inner().schema_text, text);
    // A malformed key counts as none.
    let mut odd = Request::new(proto::ReadSchemaRequest {});
    odd.metadata_mut().insert("authorization", "Basic abc".parse().unwrap());
    let read = server.schema().read_schema(odd).await.unwrap();
    assert_eq!(read.into_inner().schema_text, text);
    let other = keyed("one", proto::ReadSchemaRequest {});
    assert_eq!(server.schema().read_schema(other).await.unwrap_err().code(), Code::NotFound);
    server.stop().await;
}

#[tokio::test]
async fn a_token_means_nothing_in_the_database_of_another_key() {
    let server = Testing::start().await;
    server.write_schema("one").await;
    server.write_schema("two").await;
    let request = keyed("one", proto::ReadSchemaRequest {});
    let token = server.schema().read_schema(request).await.unwrap().into_inner().read_at;
    let exactly = proto::consistency::Requirement::AtExactSnapshot(token.unwrap());
    let requested = proto::CheckPermissionRequest {
        consistency: Some(proto::Consistency { requirement: Some(exactly) }),
        ..question("document:plan#view@user:ann")
    };
    let mut client = PermissionsServiceClient::new(server.all.clone());
    client.check_permission(keyed("one", requested.clone())).await.unwrap();
    let refused = client.check_permission(keyed("two", requested)).await.unwrap_err();
    assert_eq!(refused.code(), Code::FailedPrecondition);
    server.stop().await;
}

/// Requires that every call that writes is refused.
async fn require_read_only(channel: &Channel, key: &str) {
    let refused = |status: Status| {
        require(&status, Code::Unavailable, "SERVICE_READ_ONLY", &[]);
        assert_eq!(status.message(), "service read-only");
    };
    let mut schema = SchemaServiceClient::new(channel.clone());
    let request = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
    refused(schema.write_schema(keyed(key, request)).await.unwrap_err());
    let mut permissions = PermissionsServiceClient::new(channel.clone());
    let request = proto::WriteRelationshipsRequest {
        updates: vec![touch("document:other#viewer@user:ann")],
        ..Default::default()
    };
    refused(permissions.write_relationships(keyed(key, request)).await.unwrap_err());
    let request = proto::DeleteRelationshipsRequest {
        relationship_filter: Some(filter("document")),
        ..Default::default()
    };
    refused(permissions.delete_relationships(keyed(key, request)).await.unwrap_err());
    let mut own = RelationshipsServiceClient::new(channel.clone());
    let request = own::DeleteObjectRequest {
        object: Some(crate::server_support::object("document", "plan")),
        ..Default::default()
    };
    refused(own.delete_object(keyed(key, request)).await.unwrap_err());
}

#[tokio::test]
async fn the_twin_reads_the_same_and_does_not_write() {
    let server = Testing::start().await;
    // The twin may be the first to see a key.
    let first = has(&server.read_only, "one", "document:plan#view@user:ann").await.unwrap_err();
    require(&first, Code::FailedPrecondition, "UNKNOWN_DEFINITION", &["definition_name"]);
    server.write_schema("one").await;
    server.write("one", "document:plan#viewer@user:ann").await.unwrap();
    assert!(has(&server.read_only, "one", "document:plan#view@user:ann").await.unwrap());
    require_read_only(&server.read_only, "one").await;
    assert!(has(&server.read_only, "one", "document:plan#view@user:ann").await.unwrap());
    assert!(has(&server.all, "one", "document:plan#view@user:ann").await.unwrap());
    server.stop().await;
}

#[tokio::test]
async fn a_server_that_is_read_only_starts_with_its_bootstrap() {
    let server = fresh_with(|_| {}).await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.read_only = true;
    config.bootstrap = Some(Bootstrap {
        schema: SCHEMA.to_owned(),
        relationships: vec!["document:plan#viewer@user:ann".parse().unwrap()],
    });
    let read_only = start(config).await;
    assert!(read_only.has("document:plan#view@user:ann").await);
    require_read_only(&read_only.channel().await, KEY).await;
    assert!(read_only.has("document:plan#view@user:ann").await);
    read_only.stop().await.unwrap();
    drop(server);
}

/// How many files this process has open.
fn open_files() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

#[tokio::test]
async fn many_keys_open_no_files() {
    const KEYS: usize = 500;
    let server = Testing::start().await;
    server.write_schema("first").await;
    let before = open_files();
    for key in 0..KEYS {
        let key = key.to_string();
        server.write_schema(&key).await;
        server.write(&key, &format!("document:d{key}#viewer@user:ann")).await.unwrap();
    }
    for key in 0..KEYS {
        let (own, next) = (key.to_string(), format!("document:d{}#view@user:ann", key + 1));
        let mine = format!("document:d{key}#view@user:ann");
        assert!(has(&server.all, &own, &mine).await.unwrap(), "{key}");
        assert!(!has(&server.all, &own, &next).await.unwrap(), "{key}");
    }
    // Other tests open files meanwhile.
    assert!(open_files() < before + KEYS / 2, "{before} -> {}", open_files());
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_shown_to_many_calls_at_once_has_one_database() {
    let server = Testing::start().await;
    let mut calls = JoinSet::new();
    for _ in 0..32 {
        let mut schema = server.schema();
        let request = keyed("one", proto::WriteSchemaRequest { schema: SCHEMA.to_owned() });
        calls.spawn(async move { schema.write_schema(request).await.unwrap() });
    }
    calls.join_all().await;
    let mut calls = JoinSet::new();
    for id in 0..32 {
        let mut client = PermissionsServiceClient::new(server.all.clone());
        let updates = vec![create(&format!("document:d{id}#viewer@user:ann"))];
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        calls.spawn(async move { client.write_relationships(keyed("one", request)).await });
    }
    assert!(calls.join_all().await.iter().all(Result::is_ok));
    for id in 0..32 {
        let question = format!("document:d{id}#view@user:ann");
        assert!(has(&server.all, "one", &question).await.unwrap());
    }
    server.stop().await;
}

#[tokio::test]
async fn every_database_starts_with_what_is_loaded() {
    let mut config = Config::new(PathBuf::new());
    config.bootstrap = Some(Bootstrap {
        schema: SCHEMA.to_owned(),
        relationships: vec!["document:plan#viewer@user:ann".parse().unwrap()],
    });
    let server = Testing::start_with(config.clone()).await;
    for key in ["one", "two"] {
        assert!(has(&server.all, key, "document:plan#view@user:ann").await.unwrap());
        server.write(key, "document:plan#viewer@user:bob").await.unwrap();
    }
    server.stop().await;

    config.bootstrap = Some(Bootstrap { schema: "no".to_owned(), relationships: Vec::new() });
    let listeners = TestListeners { all: bound().await, read_only: None };
    let refused = run_testing(listeners, config, std::future::pending()).await.unwrap_err();
    assert!(matches!(refused, ServerError::Bootstrap(_)), "{refused}");
}

#[tokio::test]
async fn health_and_unknown_calls_are_answered_at_both_addresses() {
    let server = Testing::start().await;
    for channel in [&server.all, &server.read_only] {
        let mut health = HealthClient::new(channel.clone());
        let service = "authzed.api.v1.PermissionsService".to_owned();
        let response = health.check(HealthCheckRequest { service }).await.unwrap().into_inner();
        assert_eq!(response.status, 1);
    }
    server.stop().await;
}
