//! The values of metrics after something has happened that they measure.

use crate::metrics::{ask, labelled, value};
use crate::server_support::{Running, SCHEMA, config, delete, start_with};
use crate::watch_support::{RELATIONSHIPS, Watched, from};
use kilwa::relationship::Timestamp;
use kilwa::server::{Server, TimeSource};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_mins(1);
const START: i64 = 1_900_000_000;
const DAY: i64 = 24 * 3600;

/// A server whose time goes by only when it is told to.
struct Timed {
    server: Running,
    metrics: SocketAddr,
    /// Seconds since the start.
    passed: Arc<AtomicI64>,
    _dir: TempDir,
}

impl Timed {
    async fn start() -> Self {
        let (dir, passed) = (tempfile::tempdir().unwrap(), Arc::new(AtomicI64::default()));
        let mut config = config(dir.path());
        config.garbage_collection_interval = Duration::from_millis(5);
        config.metrics.address = Some("127.0.0.1:0".to_owned());
        let (wall, monotonic) = (Arc::clone(&passed), Arc::clone(&passed));
        let time = TimeSource::new(
            move || Timestamp::from_unix(START + wall.load(Ordering::SeqCst), 0).unwrap(),
            move || Duration::from_secs(monotonic.load(Ordering::SeqCst).unsigned_abs()),
        );
        let server = Server::open_with(&config, time).unwrap();
        let metrics = server.metrics_address().unwrap();
        let server = start_with(server).await;
        server.write_schema(SCHEMA).await.unwrap();
        Self { server, metrics, passed, _dir: dir }
    }

    async fn scrape(&self) -> String {
        ask(self.metrics, &["GET /metrics HTTP/1.1"]).await
    }

    /// The first scrape that has something.
    async fn scrape_with(&self, has: impl Fn(&str) -> bool) -> String {
        let end = Instant::now() + PATIENCE;
        loop {
            let scrape = self.scrape().await;
            if has(&scrape) {
                return scrape;
            }
            assert!(Instant::now() < end, "{scrape}");
            tokio::task::yield_now().await;
        }
    }
}

/// Reads changes up to one of this resource.
async fn read_until(watched: &mut Watched, id: &str) {
    loop {
        let updates = watched.next().await.unwrap().updates;
        let ids =
            updates.into_iter().map(|it| it.relationship.unwrap().resource.unwrap().object_id);
        if ids.into_iter().any(|it| it == id) {
            return;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_delay_of_a_watch_is_the_age_of_the_changes_that_it_passes_on() {
    let timed = Timed::start().await;
    let start = timed.server.touch(&["document:first#owner@user:ann"]).await.unwrap();
    timed.server.touch(&["document:late#owner@user:ann"]).await.unwrap();
    timed.passed.fetch_add(100, Ordering::SeqCst);
    assert!(value(&timed.scrape().await, "kilwa_watches") == 0.0);

    // Behind by 100 seconds, and then not at all.
    let mut watched = timed.server.watch(from(Some(&start), &[RELATIONSHIPS])).await.unwrap();
    read_until(&mut watched, "late").await;
    let count = "kilwa_watch_delay_seconds_count";
    let sum = |scrape: &str| value(scrape, "kilwa_watch_delay_seconds_sum");
    let late = timed.scrape_with(|scrape| value(scrape, count) >= 1.0).await;
    assert!((sum(&late) - 100.0).abs() < 1.0, "{late}");
    let quick = |scrape: &str| {
        labelled(scrape, "kilwa_watch_delay_seconds_bucket", &[("le", "32.0")]).unwrap()
    };
    assert_eq!(quick(&late), 0, "{late}");
    timed.server.touch(&["document:now#owner@user:ann"]).await.unwrap();
    read_until(&mut watched, "now").await;
    let now = timed.scrape_with(|scrape| value(scrape, count) >= 2.0).await;
    assert!((sum(&now) - 100.0).abs() < 1.0, "{now}");
    assert_eq!((quick(&now), value(&now, "kilwa_watches")), (1, 1.0), "{now}");
    drop(watched);
    timed.scrape_with(|scrape| value(scrape, "kilwa_watches") == 0.0).await;
}

#[tokio::test]
async fn what_garbage_collections_drop_is_counted_by_its_kind() {
    let timed = Timed::start().await;
    timed.server.write_schema(&format!("{SCHEMA}definition extra {{}}")).await.unwrap();
    let expires = Timestamp::from_unix(START + 60, 0).unwrap();
    let rows = ["a", "b", "c"].map(|id| format!("document:{id}#owner@user:ann"));
    let expiring = format!("document:d#viewer@user:ann[expiration:{expires}]");
    for row in rows.iter().chain([&expiring]) {
        timed.server.touch(&[row]).await.unwrap();
    }
    for row in &rows[..2] {
        timed.server.write(vec![delete(row)]).await.unwrap();
    }
    let collected =
        |scrape: &str, kind| labelled(scrape, "kilwa_collected_total", &[("kind", kind)]).unwrap();
    let kinds = ["changes", "deleted_relationships", "expired_relationships", "schemas"];
    let before = timed.scrape().await;
    assert_eq!(kinds.map(|kind| collected(&before, kind)), [0; 4], "{before}");

    timed.passed.fetch_add(30 * DAY, Ordering::SeqCst);
    let counts = |scrape: &str| kinds.map(|kind| collected(scrape, kind));
    let after = timed.scrape_with(|scrape| counts(scrape)[1..] == [2, 1, 1]).await;
    // Four relationships were created, two deleted, and two schemas written.
    assert!(counts(&after)[0] >= 8, "{after}");
    let succeeded = |scrape: &str| {
        labelled(scrape, "kilwa_collections_total", &[("result", "succeeded")]).unwrap()
    };
    // Later ones find nothing more.
    let until = succeeded(&after) + 2;
    let later = timed.scrape_with(|scrape| succeeded(scrape) >= until).await;
    assert_eq!(counts(&later), counts(&after), "{later}");
    assert_eq!(labelled(&later, "kilwa_collections_total", &[("result", "failed")]), Some(0));
}
