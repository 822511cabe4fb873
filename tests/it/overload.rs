//! Calls beyond what the server can answer in time, and limits of the calls with one key.

use super::server_support::{Fresh, fresh_with, question, relationship};
use kilwa::proto::authzed::api::v1 as proto;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, JoinSet};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Response, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_client::HealthClient;
use tonic_types::StatusExt as _;

const OTHER_KEY: &str = "another key";
const CALLERS: usize = 32;
/// So many calls at once that the last of them waits until it is late.
const FLOOD: usize = 1_000;

/// A server on which any waiting is congestion, and which then admits one call at a time.
async fn touchy() -> Fresh {
    fresh_with(|config| {
        config.overload.waiting_max = Some(Duration::from_nanos(1));
        config.overload.calls_min = NonZero::<u32>::MIN;
    })
    .await
}

/// Checks from many callers at once, until they are stopped.
struct Flood {
    ended: Arc<AtomicBool>,
    callers: JoinSet<()>,
    refused: mpsc::Receiver<Status>,
}

impl Flood {
    async fn start(server: &Fresh) -> Self {
        let (refusals, refused) = mpsc::channel(1);
        let ended = Arc::new(AtomicBool::new(false));
        let mut callers = JoinSet::new();
        let client = server.permissions().await;
        for _ in 0..FLOOD {
            let (mut client, refusals) = (client.clone(), refusals.clone());
            let ended = Arc::clone(&ended);
            callers.spawn(async move {
                while !ended.load(Ordering::Relaxed) {
                    let question = question("document:plan#view@user:ann");
                    if let Err(status) = client.check_permission(question).await {
                        // Some refusals are enough.
                        let _ = refusals.try_send(status);
                    }
                }
            });
        }
        Self { ended, callers, refused }
    }

    /// How one of them is refused because of the load.
    async fn refusal(&mut self) -> Status {
        self.refused.recv().await.unwrap()
    }

    async fn stop(mut self) {
        self.ended.store(true, Ordering::Relaxed);
        while self.callers.join_next().await.is_some() {}
    }
}

/// How a check is refused on a server with too many of them.
async fn refusal(server: &Fresh) -> Status {
    let mut flood = Flood::start(server).await;
    let status = flood.refusal().await;
    flood.stop().await;
    status
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_beyond_the_load_are_refused_with_a_delay() {
    let server = touchy().await;
    let status = refusal(&server).await;
    assert_eq!(status.code(), Code::ResourceExhausted, "{status:?}");
    assert_eq!(
        status.message(),
        "the server is overloaded: try again after the delay in the details"
    );
    let delay = status.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!((100..=200).contains(&delay.as_millis()), "{delay:?}");
    let pushback = status.metadata().get("grpc-retry-pushback-ms").unwrap().to_str().unwrap();
    assert_eq!(pushback.parse(), Ok(delay.as_millis()));
    // One caller at a time is always served, once the server has noticed that the other calls have ended.
    answered(&server).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_and_watches_are_never_refused_because_of_the_load() {
    let server = touchy().await;
    let mut flood = Flood::start(&server).await;
    flood.refusal().await;

    let mut health = HealthClient::new(server.channel().await);
    health.check(HealthCheckRequest::default()).await.unwrap();
    let channel = server.channel().await;
    let bearer = super::server_support::Bearer(super::server_support::KEY.to_owned());
    let mut watches =
        proto::watch_service_client::WatchServiceClient::with_interceptor(channel, bearer);
    watches.watch(proto::WatchRequest::default()).await.unwrap();
    // Others still are: the second of these was refused after the first was taken.
    flood.refusal().await;
    flood.refusal().await;
    flood.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_does_not_matter_when_no_call_is_to_be_refused() {
    let server = fresh_with(|config| config.overload.waiting_max = None).await;
    let mut callers = JoinSet::new();
    for _ in 0..CALLERS {
        let mut client = server.permissions().await;
        callers.spawn(async move {
            for _ in 0..100 {
                client.check_permission(question("document:plan#view@user:ann")).await.unwrap();
            }
        });
    }
    while let Some(ended) = callers.join_next().await {
        ended.unwrap();
    }
}

/// An import of one relationship that takes the one call that is admitted.
struct HeldImport {
    /// Ends the import when it is dropped.
    part: mpsc::Sender<proto::ImportBulkRelationshipsRequest>,
    importing: JoinHandle<Result<Response<proto::ImportBulkRelationshipsResponse>, Status>>,
    /// How a check beside it is refused.
    refusal: Status,
}

async fn held_import(server: &Fresh) -> HeldImport {
    loop {
        let (part, parts) = mpsc::channel(1);
        let relationships = vec![relationship("document:plan#viewer@user:ann")];
        part.try_send(proto::ImportBulkRelationshipsRequest { relationships }).unwrap();
        let (mut importer, parts) = (server.permissions().await, ReceiverStream::new(parts));
        let importing =
            tokio::spawn(async move { importer.import_bulk_relationships(parts).await });
        // It is refused itself, and begun again, when it comes while a check is in progress.
        while !importing.is_finished() {
            match server.check("document:plan#view@user:ann").await {
                Ok(_) => tokio::task::yield_now().await,
                Err(refusal) => return HeldImport { part, importing, refusal },
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_has_its_own_limit_of_calls_in_progress() {
    let server =
        fresh_with(|config| config.overload.calls_per_key_max = Some(NonZero::<u32>::MIN)).await;
    let HeldImport { part, importing, refusal } = held_import(&server).await;
    assert_eq!(refusal.code(), Code::ResourceExhausted, "{refusal:?}");
    assert!(refusal.message().contains("--max-calls-per-key"), "{refusal:?}");
    let mut other = server.permissions_as(OTHER_KEY).await;
    other.check_permission(question("document:plan#view@user:ann")).await.unwrap();

    drop(part);
    let response = importing.await.unwrap().unwrap().into_inner();
    assert_eq!(response.num_loaded, 1);
    answered(&server).await;
}

/// Asks until there is an answer.
async fn answered(server: &Fresh) {
    while server.check("document:plan#view@user:ann").await.is_err() {
        tokio::task::yield_now().await;
    }
}
