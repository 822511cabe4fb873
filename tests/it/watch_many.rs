//! Watch: many watchers at once. Each change is read once for all of them, whether or not it matches their filters.

use super::served::Served;
use super::server_support::{
    Bearer, KEY, Keyed, Running, SCHEMA, config, filter, soon, start, start_workers, touch,
};
use super::watch_support::{Watched, from};
use kilwa::api::Workers;
use kilwa::database::{Database, DatabaseOptions};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::proto::authzed::api::v1::watch_service_client::WatchServiceClient;
use kilwa::relationship::Timestamp;
use kilwa::store::StoreOptions;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tonic::transport::Channel;

/// How many watchers share a connection.
const PER_CONNECTION: usize = 100;

/// Watches of one type's relationships, on as few connections as they need.
async fn watch_all(address: &str, count: usize, object_type: &str) -> Vec<Watched> {
    let mut watches = Vec::with_capacity(count);
    let mut client: Option<WatchServiceClient<Keyed>> = None;
    for number in 0..count {
        if number % PER_CONNECTION == 0 {
            let channel = Channel::from_shared(address.to_owned()).unwrap();
            let channel = channel.connect().await.unwrap();
            let bearer = Bearer(KEY.to_owned());
            client = Some(WatchServiceClient::with_interceptor(channel, bearer));
        }
        let mut request = from(None, &[]);
        request.optional_relationship_filters = vec![filter(object_type)];
        let watch = client.as_mut().unwrap().watch(request).await.unwrap();
        watches.push(Watched(watch.into_inner()));
    }
    watches
}

async fn server_of(workers: &Arc<Workers>) -> Running {
    let server = start_workers(workers).await;
    server.write_schema(SCHEMA).await.unwrap();
    server
}

#[tokio::test]
async fn the_change_log_is_read_once_for_all_watchers() {
    const IDLE: usize = 300;
    const WRITES: u64 = 50;
    let database = Database::in_memory(&StoreOptions::default(), DatabaseOptions::default());
    let now = || Timestamp::from_unix(1_800_000_000, 0).unwrap();
    let workers = Arc::new(Workers::new(database.unwrap(), 4, Arc::new(now)));
    let server = server_of(&workers).await;
    let mut idle = watch_all(&server.address, IDLE, "group").await;
    let mut busy = watch_all(&server.address, 1, "document").await.remove(0);
    // All have reached the head when they have this.
    for round in 0..2 {
        server.touch(&[&format!("group:g{round}#member@user:ann")]).await.unwrap();
        for watch in &mut idle {
            assert_eq!(watch.reported().await, format!("+group:g{round}#member@user:ann"));
        }
    }

    let before = workers.change_log_reads();
    for number in 0..WRITES {
        let written = format!("document:d{number}#owner@user:ann");
        server.touch(&[&written]).await.unwrap();
        assert_eq!(busy.reported().await, format!("+{written}"));
    }
    let reads = workers.change_log_reads() - before;
    assert!(reads < WRITES * 20, "{reads} reads of the change log for {WRITES} writes");

    // They still hear of what concerns them, and can continue from it.
    let token = server.touch(&["group:last#member@user:ann"]).await.unwrap();
    for watch in &mut idle {
        let response = watch.next().await.unwrap();
        assert_eq!(response.changes_through.as_ref(), Some(&token));
    }
    server.stop().await.unwrap();
}

#[tokio::test]
async fn a_watcher_that_falls_out_of_the_shared_window_misses_nothing() {
    const WRITES: usize = 60;
    const PER_WRITE: usize = 1_000;
    let dir = tempfile::tempdir().unwrap();
    let mut config = config(dir.path());
    config.watch.buffer_length = 500;
    config.watch.write_timeout = Duration::from_hours(1);
    let server = start(config).await;
    server.write_schema(SCHEMA).await.unwrap();
    let mut watch = server.watch(from(None, &[])).await.unwrap();
    server.touch(&["document:first#owner@user:ann"]).await.unwrap();
    assert_eq!(watch.reported().await, "+document:first#owner@user:ann");

    // The client looks elsewhere while more is written than the window holds.
    for write in 0..WRITES {
        let many = (0..PER_WRITE).map(|n| touch(&format!("document:w{write}n{n}#owner@user:ann")));
        server.write(many.collect()).await.unwrap();
    }
    let mut expected = (0..WRITES).flat_map(|w| (0..PER_WRITE).map(move |n| format!("w{w}n{n}")));
    let mut seen = 0;
    while seen < WRITES * PER_WRITE {
        for update in watch.next().await.unwrap().updates {
            let resource = update.relationship.unwrap().resource.unwrap();
            assert_eq!(Some(resource.object_id), expected.next());
            seen += 1;
        }
    }

    // And is at the head again.
    server.touch(&["document:last#owner@user:ann"]).await.unwrap();
    assert_eq!(watch.reported().await, "+document:last#owner@user:ann");
    server.stop().await.unwrap();
}

/// Writes for a while, one after the other, and gives their number per second.
async fn writes_per_second(server: &Served, round: usize) -> f64 {
    const FOR: Duration = Duration::from_secs(4);
    let mut client = server.permissions().await;
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < FOR {
        let updates = vec![touch(&format!("document:r{round}n{count}#owner@user:ann"))];
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        client.write_relationships(request).await.unwrap();
        count += 1;
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "measures, which takes 30 s; run with `cargo test --release --test it watch_many -- --ignored --nocapture`"]
#[expect(clippy::print_stdout, reason = "figures are what it is for")]
async fn writes_beside_watchers_that_receive_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let server = Served::start_with(dir.path(), &["--log-level", "warn"]);
    let request = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
    server.schema().await.write_schema(request).await.unwrap();
    let address = format!("http://{}", server.endpoint());
    let mut watches = Vec::new();
    let mut figures = Vec::new();
    for (round, count) in [1, 500, 1_000].into_iter().enumerate() {
        watches.extend(watch_all(&address, count - watches.len(), "group").await);
        // So that all of them have reached the head.
        let request = proto::WriteRelationshipsRequest {
            updates: vec![touch(&format!("group:g{round}#member@user:ann"))],
            ..Default::default()
        };
        server.permissions().await.write_relationships(request).await.unwrap();
        for watch in &mut watches {
            soon(watch.0.message()).await.unwrap().unwrap();
        }
        let figure = writes_per_second(&server, round).await;
        println!("{count} watchers: {figure:.0} writes/s");
        figures.push(figure);
    }
    assert!(figures[2] * 2.0 >= figures[0], "{figures:?}");
}
