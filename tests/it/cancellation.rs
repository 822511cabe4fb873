//! Calls whose clients have gone, or whose time is over: the work for them stops, and what they held is free.
//!
//! Each of the calls here has work for many minutes. That the threads are free long before that shows that it has stopped.

use crate::http_support::head;
use crate::metrics::ask;
use crate::raw_http2::RawConnection;
use crate::server_support::{
    KEY, Running, config, object, question, relationship, start_with, structure,
};
use kilwa::config::HttpListenerOptions;
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::server::Server;
use std::net::SocketAddr;
use std::time::Duration;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_stream::wrappers::ReceiverStream;

/// One evaluation takes some 700,000 steps with [`NUMBERS`].
const SCHEMA: &str = "caveat heavy(numbers list<int>, seed int) {
  numbers.exists(a, numbers.exists(b, numbers.exists(c, a + b + c == seed)))
}

definition user {}

definition group {
  relation member: user
}

definition document {
  relation viewer: user with heavy | group#member with heavy
  permission view = viewer
}
";
const NUMBERS: u32 = 44;
/// How many evaluations each call asks for: hundreds of seconds of work, also on a fast machine.
const EVALUATIONS: usize = 5_000;
/// Much less than that work takes, and long enough for a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);
/// How many calls are sent at once on one connection: more than share one task of the server.
const TOGETHER: u64 = 100;
const HOUR: Duration = Duration::from_hours(1);
const SERVICE: &str = "/authzed.api.v1.PermissionsService";

/// A server whose limits would let all of the work be done.
struct Toiling {
    server: Running,
    metrics: SocketAddr,
    http: String,
    _dir: TempDir,
}

impl Toiling {
    async fn start(relationships: impl Iterator<Item = String>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut config = config(dir.path());
        config.metrics.address = Some("127.0.0.1:0".to_owned());
        config.http = Some(HttpListenerOptions::default());
        config.database.limits.caveat_steps_max = u64::MAX;
        config.database.limits.time_max = None;
        config.overload.waiting_max = None;
        config.call_time_max = HOUR;
        config.stream_idle_max = HOUR;
        config.stream_client_wait_max = HOUR;
        config.import_idle_max = HOUR;
        config.requests.context_bytes_max = None;

        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let http = listener.local_addr().unwrap().to_string();
        let server = Server::open(&config).unwrap().with_http(listener).unwrap();
        let metrics = server.metrics_address().unwrap();
        let server = start_with(server).await;
        server.write_schema(SCHEMA).await.unwrap();
        let relationships = relationships.map(|text| relationship(&text)).collect();
        let parts = [proto::ImportBulkRelationshipsRequest { relationships }];
        let mut client = server.permissions().await;
        client.import_bulk_relationships(tokio_stream::iter(parts)).await.unwrap();
        Self { server, metrics, http, _dir: dir }
    }

    /// The value of a metric, named with its labels.
    async fn read(&self, metric: &str) -> u64 {
        let scrape = ask(self.metrics, &["GET /metrics HTTP/1.1"]).await;
        let value = scrape.lines().find_map(|line| line.strip_prefix(metric)?.strip_prefix(' '));
        value.unwrap_or_else(|| panic!("{metric} is not in {scrape}")).parse().unwrap()
    }

    #[track_caller]
    fn awaits(&self, metric: &'static str, value: u64) -> impl Future<Output = ()> {
        let place = std::panic::Location::caller();
        async move {
            let end = Instant::now() + PATIENCE;
            loop {
                let found = self.read(metric).await;
                if found == value {
                    return;
                }
                assert!(Instant::now() < end, "{place}: {metric} is {found}, not {value}");
                tokio::task::yield_now().await;
            }
        }
    }

    /// Runs a call until a thread works for it, cancels it, and requires that the work stops.
    async fn cancel<F>(&self, call: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let calling = tokio::spawn(call);
        self.awaits(BUSY, 1).await;
        calling.abort();
        self.awaits(BUSY, 0).await;
        self.awaits(CALLS, 0).await;
    }
}

const BUSY: &str = "kilwa_worker_threads_busy{kind=\"read\"}";
const CALLS: &str = "kilwa_calls_in_progress";

fn numbers() -> String {
    let numbers: Vec<u32> = (0..NUMBERS).collect();
    format!(r#"{{"numbers": {numbers:?}}}"#)
}

/// No sum is negative.
fn caveat(number: usize) -> String {
    format!("[heavy:{{\"seed\":-{}}}]", number + 1)
}

fn usersets() -> impl Iterator<Item = String> {
    (0..EVALUATIONS).flat_map(|n| {
        let caveat = caveat(n);
        [
            format!("document:all#viewer@group:g{n}#member{caveat}"),
            format!("group:g{n}#member@user:ann"),
        ]
    })
}

fn documents() -> impl Iterator<Item = String> {
    (0..EVALUATIONS).map(|n| format!("document:d{n}#viewer@user:ann{}", caveat(n)))
}

fn subjects() -> impl Iterator<Item = String> {
    (0..EVALUATIONS).map(|n| format!("document:all#viewer@user:u{n}{}", caveat(n)))
}

fn check() -> proto::CheckPermissionRequest {
    let question = question("document:all#view@user:ann");
    proto::CheckPermissionRequest { context: Some(structure(&numbers())), ..question }
}

#[tokio::test]
async fn a_check_stops_in_the_middle_of_its_caveats() {
    let toiling = Toiling::start(usersets()).await;
    let mut client = toiling.server.permissions().await;
    toiling.cancel(async move { drop(client.check_permission(check()).await) }).await;

    // A deadline of the client, which does not end the call by itself.
    let mut connection = RawConnection::open(&toiling.server.address).await;
    let path = format!("{SERVICE}/CheckPermission");
    let late = connection.call(&path, &[("grpc-timeout", "300m")], &check()).await;
    // The response consists of its headers alone.
    assert_eq!(late.headers["grpc-status"], "4");
    toiling.awaits(BUSY, 0).await;
    toiling.awaits(CALLS, 0).await;
}

#[tokio::test]
async fn calls_that_were_sent_together_stop_together() {
    let toiling = Toiling::start(usersets()).await;
    let client = toiling.server.permissions().await;
    let mut calling = JoinSet::new();
    for _ in 0..TOGETHER {
        let mut client = client.clone();
        calling.spawn(async move { drop(client.check_permission(check()).await) });
    }
    toiling.awaits(CALLS, TOGETHER).await;
    calling.shutdown().await;
    toiling.awaits(CALLS, 0).await;
    toiling.awaits(BUSY, 0).await;
}

#[tokio::test]
async fn calls_do_not_wait_for_one_on_their_connection_that_takes_long() {
    let toiling = Toiling::start(usersets()).await;
    let client = toiling.server.permissions().await;
    let mut first = client.clone();
    let long = tokio::spawn(async move { drop(first.check_permission(check()).await) });
    toiling.awaits(BUSY, 1).await;

    let mut others = JoinSet::new();
    for _ in 0..TOGETHER {
        let mut client = client.clone();
        others.spawn(async move {
            client.check_permission(question("group:g1#member@user:ann")).await.unwrap()
        });
    }
    let all = async { while others.join_next().await.is_some_and(|answer| answer.is_ok()) {} };
    tokio::time::timeout(PATIENCE, all).await.expect("the others are answered");
    assert!(others.is_empty());
    assert!(!long.is_finished());
    long.abort();
    toiling.awaits(BUSY, 0).await;
}

#[tokio::test]
async fn a_check_over_http_stops_in_the_middle_of_its_caveats() {
    let toiling = Toiling::start(usersets()).await;
    let context = numbers();
    let body = format!(
        r#"{{"resource": {{"objectType": "document", "objectId": "all"}}, "permission": "view",
            "subject": {{"object": {{"objectType": "user", "objectId": "ann"}}}}, "context": {context}}}"#
    );
    let (key, length) = (format!("Bearer {KEY}"), body.len().to_string());
    let headers = [("Authorization", key.as_str()), ("Content-Length", length.as_str())];
    let request = head("POST", "/v1/permissions/check", &headers) + &body;
    let mut stream = TcpStream::connect(&toiling.http).await.unwrap();
    let calling = async move {
        stream.write_all(request.as_bytes()).await.unwrap();
        std::future::pending::<()>().await;
        drop(stream);
    };
    toiling.cancel(calling).await;
}

#[tokio::test]
async fn a_bulk_check_stops_in_the_middle_of_its_items() {
    let toiling = Toiling::start(documents()).await;
    let items = (0..EVALUATIONS).map(|n| proto::CheckBulkPermissionsRequestItem {
        resource: Some(object("document", &format!("d{n}"))),
        permission: "view".to_owned(),
        subject: check().subject,
        context: Some(structure(&numbers())),
    });
    let request =
        proto::CheckBulkPermissionsRequest { items: items.collect(), ..Default::default() };
    let mut client = toiling.server.permissions().await;
    toiling.cancel(async move { drop(client.check_bulk_permissions(request).await) }).await;
}

#[tokio::test]
async fn a_lookup_of_resources_stops_in_the_middle_of_its_candidates() {
    let toiling = Toiling::start(documents()).await;
    let request = proto::LookupResourcesRequest {
        resource_object_type: "document".to_owned(),
        permission: "view".to_owned(),
        subject: check().subject,
        context: Some(structure(&numbers())),
        ..proto::LookupResourcesRequest::default()
    };
    let mut client = toiling.server.permissions().await;
    let calling = async move {
        let mut found = client.lookup_resources(request).await.unwrap().into_inner();
        drop(found.message().await);
    };
    toiling.cancel(calling).await;
}

#[tokio::test]
async fn a_lookup_of_subjects_stops_in_the_middle_of_its_relationships() {
    let toiling = Toiling::start(subjects()).await;
    let request = proto::LookupSubjectsRequest {
        resource: check().resource,
        permission: "view".to_owned(),
        subject_object_type: "user".to_owned(),
        context: Some(structure(&numbers())),
        ..proto::LookupSubjectsRequest::default()
    };
    let mut client = toiling.server.permissions().await;
    let calling = async move {
        let mut found = client.lookup_subjects(request).await.unwrap().into_inner();
        drop(found.message().await);
    };
    toiling.cancel(calling).await;
}

#[tokio::test]
async fn an_import_that_is_cancelled_leaves_nothing() {
    let toiling = Toiling::start(std::iter::empty()).await;
    let (sender, parts) = mpsc::channel(1);
    let mut client = toiling.server.permissions().await;
    let importing = tokio::spawn(async move {
        drop(client.import_bulk_relationships(ReceiverStream::new(parts)).await);
    });
    let relationships = vec![relationship("group:all#member@user:ann")];
    sender.send(proto::ImportBulkRelationshipsRequest { relationships }).await.unwrap();
    toiling.awaits("kilwa_imports", 1).await;
    importing.abort();
    toiling.awaits("kilwa_imports", 0).await;
    toiling.awaits("kilwa_worker_threads_busy{kind=\"slow_write\"}", 0).await;
    toiling.awaits(CALLS, 0).await;

    let read = proto::ReadRelationshipsRequest {
        relationship_filter: Some(crate::server_support::filter("group")),
        ..proto::ReadRelationshipsRequest::default()
    };
    assert!(toiling.server.read(read).await.unwrap().is_empty());
}

#[tokio::test]
async fn an_export_that_is_not_read_ends_when_it_is_cancelled() {
    let members = (0..50_000).map(|n| format!("group:all#member@user:u{n}"));
    let toiling = Toiling::start(members).await;
    let mut client = toiling.server.permissions().await;
    let request =
        proto::ExportBulkRelationshipsRequest { optional_limit: 100, ..Default::default() };
    let mut exported = client.export_bulk_relationships(request).await.unwrap().into_inner();
    assert!(exported.message().await.unwrap().is_some());
    toiling.awaits(CALLS, 1).await;
    drop(exported);
    toiling.awaits(CALLS, 0).await;
    toiling.awaits(BUSY, 0).await;
}
