//! A wall clock that is wrong for a while: what it may not spoil.

use crate::metrics::ask;
use crate::program;
use crate::server_support::{
    Bearer, KEY, Running, SCHEMA, config, consistency, delete, question, start_with,
};
use kilwa::config::Config;
use kilwa::database::{Database, DatabaseOptions};
use kilwa::proto::authzed::api::v1::consistency::Requirement;
use kilwa::proto::authzed::api::v1::{self as proto, WriteRelationshipsRequest};
use kilwa::proto::kilwa::v1::ReadRevisionAtRequest;
use kilwa::proto::kilwa::v1::permissions_service_client::PermissionsServiceClient;
use kilwa::relationship::Timestamp;
use kilwa::server::{CLOCK_HEALTH_NAME, Server, ServerError, TimeSource};
use kilwa::store::StoreOptions;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use tokio::time::Instant;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const START: i64 = 1_900_000_000;
const ASKED: &str = "document:plan#view@user:ann";

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_unix(seconds, 0).unwrap()
}

/// Clocks that stand still until they are moved.
#[derive(Clone)]
struct Clocks {
    wall: Arc<AtomicI64>,
    monotonic: Arc<AtomicI64>,
}

impl Clocks {
    fn at(seconds: i64) -> Self {
        Self { wall: Arc::new(AtomicI64::new(seconds)), monotonic: Arc::default() }
    }

    fn source(&self) -> TimeSource {
        let (wall, monotonic) = (Arc::clone(&self.wall), Arc::clone(&self.monotonic));
        TimeSource::new(
            move || at(wall.load(Ordering::SeqCst)),
            move || Duration::from_secs(monotonic.load(Ordering::SeqCst).unsigned_abs()),
        )
    }

    /// Time goes by.
    fn pass(&self, seconds: i64) {
        self.monotonic.fetch_add(seconds, Ordering::SeqCst);
        self.jump(seconds);
    }

    /// Sets the wall clock.
    fn jump(&self, seconds: i64) {
        self.wall.fetch_add(seconds, Ordering::SeqCst);
    }
}

fn options(dir: &Path) -> Config {
    let mut config = config(dir);
    config.garbage_collection_interval = Duration::from_millis(5);
    config
}

async fn serve(dir: &Path, clocks: &Clocks) -> Running {
    start_with(Server::open_with(&options(dir), clocks.source()).unwrap()).await
}

/// Waits until the health of the clock is this; garbage is collected many times meanwhile.
async fn await_health(server: &Running, wanted: ServingStatus) {
    let mut health = HealthClient::new(server.channel().await);
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let request = HealthCheckRequest { service: CLOCK_HEALTH_NAME.to_owned() };
        let status = health.check(request).await.unwrap().into_inner().status();
        if status == wanted {
            return;
        }
        assert!(Instant::now() < deadline, "the clock's health stays {status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_clock_in_doubt_is_in_the_metrics() {
    let (dir, clocks) = (tempfile::tempdir().unwrap(), Clocks::at(START));
    let mut options = options(dir.path());
    options.metrics.address = Some("127.0.0.1:0".to_owned());
    let server = Server::open_with(&options, clocks.source()).unwrap();
    let address = server.metrics_address().unwrap();
    let _running = start_with(server).await;
    for (jump, reading) in [(0, "0"), (30 * DAY, "1"), (-30 * DAY, "0")] {
        clocks.jump(jump);
        let scrape = ask(address, &["GET /metrics HTTP/1.1"]).await;
        assert!(scrape.contains(&format!("\nkilwa_clock_in_doubt {reading}\n")), "{scrape}");
    }
}

/// The write that gives ann the document until a time.
fn until(time: &str) -> String {
    format!("document:plan#viewer@user:ann[expiration:{time}]")
}

#[tokio::test]
async fn thirty_days_ahead_for_a_while_lose_nothing() {
    let (dir, clocks) = (tempfile::tempdir().unwrap(), Clocks::at(START));
    let server = serve(dir.path(), &clocks).await;
    server.write_schema(SCHEMA).await.unwrap();
    server.touch(&[&until(&at(START + 7 * DAY).to_string())]).await.unwrap();
    await_health(&server, ServingStatus::Serving).await;
    clocks.jump(30 * DAY);
    await_health(&server, ServingStatus::NotServing).await;
    assert!(server.has(ASKED).await, "a jump is not followed at once");
    clocks.jump(-30 * DAY);
    await_health(&server, ServingStatus::Serving).await;
    assert!(server.has(ASKED).await);
}

#[tokio::test]
async fn a_server_that_does_not_believe_its_clock_is_not_ready() {
    let (dir, clocks) = (tempfile::tempdir().unwrap(), Clocks::at(START));
    let mut options = options(dir.path());
    options.metrics.address = Some("127.0.0.1:0".to_owned());
    let server = Server::open_with(&options, clocks.source()).unwrap();
    let metrics = server.metrics_address().unwrap();
    let server = start_with(server).await;
    let ready = async || ask(metrics, &["GET /readyz HTTP/1.1"]).await;

    await_health(&server, ServingStatus::Serving).await;
    assert!(ready().await.starts_with("HTTP/1.1 200 "), "{}", ready().await);
    clocks.jump(30 * DAY);
    await_health(&server, ServingStatus::NotServing).await;
    let refused = ready().await;
    assert!(refused.starts_with("HTTP/1.1 503 "), "{refused}");
    assert!(refused.ends_with("the clock is not believed\n"), "{refused}");
    clocks.jump(-30 * DAY);
    await_health(&server, ServingStatus::Serving).await;
    assert!(ready().await.starts_with("HTTP/1.1 200 "), "{}", ready().await);
}

#[tokio::test]
async fn ten_minutes_ahead_and_back_show_no_access_that_was_revoked() {
    let (dir, clocks) = (tempfile::tempdir().unwrap(), Clocks::at(START));
    let server = serve(dir.path(), &clocks).await;
    server.write_schema(SCHEMA).await.unwrap();
    server.touch(&["document:plan#viewer@user:ann"]).await.unwrap();
    clocks.pass(60);
    clocks.jump(600);
    let request = WriteRelationshipsRequest {
        updates: vec![delete("document:plan#viewer@user:ann")],
        ..Default::default()
    };
    server.permissions().await.write_relationships(request).await.unwrap();
    clocks.jump(-600);
    clocks.pass(60);
    // This check and the check as of its time agree.
    assert!(!server.has(ASKED).await);
    clocks.pass(60);
    let time = prost_types::Timestamp { seconds: START + 120, nanos: 0 };
    let channel = server.channel().await;
    let mut own = PermissionsServiceClient::with_interceptor(channel, Bearer(KEY.to_owned()));
    let token = own.read_revision_at(ReadRevisionAtRequest { time: Some(time) }).await.unwrap();
    let exactly = Requirement::AtExactSnapshot(token.into_inner().token.unwrap());
    let requested = proto::CheckPermissionRequest {
        consistency: Some(consistency(exactly)),
        ..question(ASKED)
    };
    let then = server.permissions().await.check_permission(requested).await.unwrap().into_inner();
    assert_eq!(then.permissionship, 1);
}

/// Off for a weekend, started with a clock that is that far ahead without a reason, and set right.
#[tokio::test]
async fn a_start_after_a_weekend_is_normal_and_drops_nothing_that_may_be_valid() {
    let (dir, clocks) = (tempfile::tempdir().unwrap(), Clocks::at(START));
    let server = serve(dir.path(), &clocks).await;
    server.write_schema(SCHEMA).await.unwrap();
    server.touch(&[&until(&at(START + 20 * HOUR).to_string())]).await.unwrap();
    server.stop().await.unwrap();

    let server = serve(dir.path(), &Clocks::at(START + 62 * HOUR)).await;
    await_health(&server, ServingStatus::Serving).await;
    assert!(!server.has(ASKED).await);
    server.stop().await.unwrap();

    let server = serve(dir.path(), &Clocks::at(START + HOUR)).await;
    assert!(server.has(ASKED).await);
    server.stop().await.unwrap();
}

#[test]
fn a_start_far_ahead_of_the_last_use_needs_a_word() {
    let dir = tempfile::tempdir().unwrap();
    let store = StoreOptions::default();
    let database = Database::open(dir.path(), &store, DatabaseOptions::default()).unwrap();
    database.write_schema(at(START), SCHEMA).unwrap();
    drop(database);

    let open = |seconds, accept| {
        let config = Config { accept_clock: accept, ..options(dir.path()) };
        Server::open_with(&config, Clocks::at(seconds).source())
    };
    open(START + 7 * DAY, false).unwrap();
    let refused = open(START + 8 * DAY, false).unwrap_err();
    assert!(matches!(refused, ServerError::Clock(_)), "{refused}");
    let (wall, last) = (at(START + 8 * DAY).to_string(), at(START).to_string());
    for part in ["--accept-clock", wall.as_str(), last.as_str()] {
        assert!(refused.to_string().contains(part), "{refused}");
    }
    open(START + 8 * DAY, true).unwrap();
}

/// The time so many days ago.
#[expect(clippy::disallowed_methods, reason = "the process reads the same clock")]
fn days_ago(days: u64) -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let then = since.checked_sub(Duration::from_hours(24 * days)).unwrap();
    Timestamp::from_unix(then.as_secs().try_into().unwrap(), 0).unwrap()
}

#[test]
fn the_process_refuses_to_start_far_ahead_and_says_how() {
    let dir = tempfile::tempdir().unwrap();
    let then = days_ago(90);
    let store = StoreOptions::default();
    let database = Database::open(dir.path(), &store, DatabaseOptions::default()).unwrap();
    database.write_schema(then, SCHEMA).unwrap();
    drop(database);

    let refused = program::kilwa()
        .args(["serve", "--grpc-addr", "127.0.0.1:0", "--data-dir"])
        .arg(dir.path())
        .output()
        .unwrap();
    assert!(!refused.status.success());
    let said = String::from_utf8(refused.stderr).unwrap();
    assert!(said.contains("--accept-clock") && said.contains(&then.to_string()), "{said}");
    drop(crate::served::Served::start_with(dir.path(), &["--accept-clock"]));
}
