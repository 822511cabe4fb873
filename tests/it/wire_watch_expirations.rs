//! `kilwa.v1.WatchService`: expirations, which are reported when they happen, by a clock that the test sets.

use super::server_support::{Bearer, KEY, SCHEMA, filter, soon, touch};
use super::watch_support::{CHECKPOINTS, own_reported, reported};
use kilwa::api::{self, ApiOptions, Keys, RequestLimits, WatchOptions, Workers};
use kilwa::database::{Database, DatabaseOptions};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::authzed::api::v1::permissions_service_client::PermissionsServiceClient;
use kilwa::proto::authzed::api::v1::schema_service_client::SchemaServiceClient;
use kilwa::proto::authzed::api::v1::watch_service_client::WatchServiceClient;
use kilwa::proto::kilwa::v1 as own;
use kilwa::proto::kilwa::v1::watch_service_client::WatchServiceClient as OwnWatchServiceClient;
use kilwa::relationship::Timestamp;
use kilwa::store::StoreOptions;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::server::TcpIncoming;
use tonic::transport::{Channel, Server};
use tonic::{Code, Streaming};

/// A server whose clock stands still until it is set.
struct Timed {
    clock: Arc<AtomicI64>,
    workers: Arc<Workers>,
    channel: InterceptedService<Channel, Bearer>,
    dir: TempDir,
}

fn at(millis: i64) -> Timestamp {
    let nanos = u32::try_from(millis.rem_euclid(1_000)).unwrap() * 1_000_000;
    Timestamp::from_unix(millis.div_euclid(1_000), nanos).unwrap()
}

impl Timed {
    async fn start(millis: i64) -> Self {
        let timed = Self::open(tempfile::tempdir().unwrap(), millis).await;
        let request = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
        let channel = timed.channel.clone();
        SchemaServiceClient::new(channel).write_schema(request).await.unwrap();
        timed
    }

    async fn open(dir: TempDir, millis: i64) -> Self {
        let store = StoreOptions {
            history_window: Duration::from_secs(100),
            sync: false,
            ..StoreOptions::default()
        };
        let database = Database::open(dir.path(), &store, DatabaseOptions::default()).unwrap();
        let clock = Arc::new(AtomicI64::new(millis));
        let time = Arc::clone(&clock);
        let now = Arc::new(move || at(time.load(Ordering::SeqCst)));
        let workers = Arc::new(Workers::new(database, 8, now));
        let mut routes = Routes::builder();
        let options = ApiOptions {
            keys: Keys::new(&[KEY.to_owned()]).unwrap(),
            limits: RequestLimits::default(),
            stream_idle_max: Duration::from_secs(30),
            import_idle_max: Duration::from_secs(30),
            stream_client_wait_max: Duration::from_mins(10),
            watch: WatchOptions { heartbeat: Duration::from_hours(1), ..WatchOptions::default() },
            request_ids: Arc::new(|| "id".to_owned()),
            slow_call: Duration::from_secs(1),
            call_time_max: Duration::from_mins(1),
            calls: Arc::default(),
            audit: None,
            traces: None,
        };
        api::add_services(&mut routes, &workers, options);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        let incoming = TcpIncoming::from(listener);
        let serving = Server::builder().add_routes(routes.routes()).serve_with_incoming(incoming);
        tokio::spawn(serving);
        let channel = Channel::from_shared(address).unwrap().connect().await.unwrap();
        let channel = InterceptedService::new(channel, Bearer(KEY.to_owned()));
        Self { clock, workers, channel, dir }
    }

    /// Ends it and starts another one on the same data, at the same time.
    async fn again(self) -> Self {
        self.workers.close().await;
        Self::open(self.dir, self.clock.load(Ordering::SeqCst)).await
    }

    fn set(&self, millis: i64) {
        self.clock.store(millis, Ordering::SeqCst);
    }

    async fn touch(&self, relationships: &[&str]) -> proto::ZedToken {
        let updates = relationships.iter().map(|text| touch(text)).collect();
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        let mut client = PermissionsServiceClient::new(self.channel.clone());
        let response = client.write_relationships(request).await.unwrap();
        response.into_inner().written_at.unwrap()
    }

    /// A write that changes nothing, so that waiting watchers check again.
    async fn ring(&self) {
        self.touch(&[]).await;
    }

    async fn watch(&self, request: own::WatchRequest) -> Watched {
        let mut client = OwnWatchServiceClient::new(self.channel.clone());
        Watched(soon(client.watch(request)).await.unwrap().into_inner())
    }
}

struct Watched(Streaming<own::WatchResponse>);

impl Watched {
    async fn next(&mut self) -> own::WatchResponse {
        soon(self.0.message()).await.unwrap().expect("a watch does not end by itself")
    }

    async fn reported(&mut self) -> String {
        own_reported(&self.next().await)
    }
}

fn from(start: Option<&proto::ZedToken>) -> own::WatchRequest {
    own::WatchRequest {
        optional_start_cursor: start.cloned(),
        include_expirations: true,
        ..Default::default()
    }
}

const A: &str = "document:a#viewer@user:ann[expiration:1970-01-01T00:01:50Z]";
const B: &str = "document:b#viewer@user:bob[expiration:1970-01-01T00:02:00Z]";

#[tokio::test]
async fn expirations_come_when_they_take_effect_and_once() {
    let server = Timed::start(100_000).await;
    let mut watched = server.watch(from(None)).await;
    let written = server.touch(&[A, B, "document:c#owner@user:ann"]).await;
    let first = watched.next().await;
    assert_eq!(
        own_reported(&first),
        "+document:a#viewer@user:ann, +document:b#viewer@user:bob, +document:c#owner@user:ann"
    );
    server.set(110_000);
    server.ring().await;
    let expired = watched.next().await;
    assert_eq!(own_reported(&expired), "-document:a#viewer@user:ann!");
    let time = expired.updates[0].optional_expired_at;
    assert_eq!(time, Some(prost_types::Timestamp { seconds: 110, nanos: 0 }));
    // A later change comes after it, and the next expiration after that.
    server.touch(&["document:d#owner@user:ann"]).await;
    assert_eq!(watched.reported().await, "+document:d#owner@user:ann");
    server.set(130_000);
    server.touch(&["document:e#owner@user:ann"]).await;
    assert_eq!(watched.reported().await, "-document:b#viewer@user:bob!");
    let last = watched.next().await;
    assert_eq!(own_reported(&last), "+document:e#owner@user:ann");

    // A watch that resumes from a token receives the rest, on another server too.
    drop(watched);
    let server = server.again().await;
    let rest = [
        "-document:a#viewer@user:ann!",
        "+document:d#owner@user:ann",
        "-document:b#viewer@user:bob!",
        "+document:e#owner@user:ann",
    ];
    for (token, heard) in [
        (&written, 0),
        (first.changes_through.as_ref().unwrap(), 0),
        (expired.changes_through.as_ref().unwrap(), 1),
    ] {
        let mut watched = server.watch(from(Some(token))).await;
        for one in &rest[heard..] {
            assert_eq!(watched.reported().await, *one);
        }
    }
    let mut watched = server.watch(from(last.changes_through.as_ref())).await;
    server.touch(&["document:f#owner@user:ann"]).await;
    assert_eq!(watched.reported().await, "+document:f#owner@user:ann");
}

#[tokio::test]
async fn nobody_has_to_write_for_an_expiration_to_come() {
    let server = Timed::start(109_999).await;
    let mut watched = server.watch(from(None)).await;
    server.touch(&[A]).await;
    assert_eq!(watched.reported().await, "+document:a#viewer@user:ann");
    server.set(110_000);
    assert_eq!(watched.reported().await, "-document:a#viewer@user:ann!");
}

#[tokio::test]
async fn what_has_expired_when_it_is_written_goes_at_once() {
    let server = Timed::start(115_000).await;
    let mut watched = server.watch(from(None)).await;
    server.touch(&[A, B]).await;
    assert_eq!(
        watched.reported().await,
        "+document:a#viewer@user:ann, -document:a#viewer@user:ann!, +document:b#viewer@user:bob"
    );
}

#[tokio::test]
async fn expirations_are_only_for_those_who_want_them() {
    let server = Timed::start(100_000).await;
    let token = server.touch(&[A, B]).await;
    let mut deaf =
        server.watch(own::WatchRequest { include_expirations: false, ..from(Some(&token)) }).await;
    let mut plain = WatchServiceClient::new(server.channel.clone());
    let request =
        proto::WatchRequest { optional_start_cursor: Some(token.clone()), ..Default::default() };
    let mut plain = soon(plain.watch(request)).await.unwrap().into_inner();
    let only_b =
        proto::RelationshipFilter { optional_resource_id: "b".to_owned(), ..filter("document") };
    let request =
        own::WatchRequest { optional_relationship_filters: vec![only_b], ..from(Some(&token)) };
    let mut filtered = server.watch(request).await;
    let mut all = server.watch(from(Some(&token))).await;
    server.set(120_000);
    server.touch(&["document:b#owner@user:ann"]).await;
    let after = all.next().await;
    assert_eq!(own_reported(&after), "-document:a#viewer@user:ann!, -document:b#viewer@user:bob!");
    assert_eq!(filtered.reported().await, "-document:b#viewer@user:bob!");
    let touched = "+document:b#owner@user:ann";
    assert_eq!(deaf.reported().await, touched);
    assert_eq!(reported(&soon(plain.message()).await.unwrap().unwrap()), touched);
    for watched in [&mut filtered, &mut all] {
        assert_eq!(watched.reported().await, touched);
    }
    // A token with a time means its revision to those who do not want to hear of times.
    let request =
        proto::WatchRequest { optional_start_cursor: after.changes_through, ..Default::default() };
    let mut plain = WatchServiceClient::new(server.channel.clone());
    let mut plain = soon(plain.watch(request)).await.unwrap().into_inner();
    assert_eq!(reported(&soon(plain.message()).await.unwrap().unwrap()), touched);
}

#[tokio::test]
async fn what_expired_and_was_forgotten_is_out_of_range() {
    let server = Timed::start(100_000).await;
    let token = server.touch(&[A]).await;
    let mut watched = server.watch(from(Some(&token))).await;
    server.set(1_000_000);
    server.workers.collect_garbage().await;
    // Changes that a watcher still needs are kept, however old.
    server.ring().await;
    assert_eq!(watched.reported().await, "-document:a#viewer@user:ann!");
    drop(watched);
    let refused = soon(async {
        loop {
            // The hold goes when the server has noticed that the client went.
            server.workers.collect_garbage().await;
            let mut client = OwnWatchServiceClient::new(server.channel.clone());
            if let Err(status) = client.watch(from(Some(&token))).await {
                return status;
            }
        }
    })
    .await;
    assert_eq!(refused.code(), Code::OutOfRange, "{refused:?}");
}

#[tokio::test]
async fn checkpoints_hold_the_time_too() {
    let server = Timed::start(100_000).await;
    server.touch(&[A]).await;
    let request = own::WatchRequest { optional_update_kinds: vec![CHECKPOINTS], ..from(None) };
    let mut watched = server.watch(request).await;
    server.set(115_000);
    server.touch(&["document:c#owner@user:ann"]).await;
    assert_eq!(watched.reported().await, "-document:a#viewer@user:ann!");
    assert_eq!(watched.reported().await, "+document:c#owner@user:ann");
    let checkpoint = watched.next().await;
    assert_eq!(own_reported(&checkpoint), "checkpoint");
    let mut later = server.watch(from(checkpoint.changes_through.as_ref())).await;
    server.touch(&["document:d#owner@user:ann"]).await;
    assert_eq!(later.reported().await, "+document:d#owner@user:ann");
}
