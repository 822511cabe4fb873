//! One caller does not delay the others: the cost of a long write, waiting writes and slow preconditions for them.

use crate::cli_serve::kilwa;
use crate::served::Served;
use crate::server_support::{
    Keyed, Running, fresh_with, question, relationship, require, soon, touch,
};
use kilwa::proto::authzed::api::v1 as proto;
use proto::permissions_service_client::PermissionsServiceClient;
use std::fmt::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tonic::{Code, Request, Status};

/// Far more than a check takes, and far less than the long writes of these tests.
const SHORT: Duration = Duration::from_secs(2);
const SCHEMA: &str = "definition user {}
definition lock { relation holder: user }
definition document {
  relation viewer: user
  permission view = viewer
}";
/// How many types of subjects [`slow_preconditions`] names.
const ROBOTS: usize = 200;

type Client = PermissionsServiceClient<Keyed>;

fn documents(count: usize) -> impl Iterator<Item = proto::ImportBulkRelationshipsRequest> {
    let parts = (0..count).step_by(1_000);
    parts.map(move |start| proto::ImportBulkRelationshipsRequest {
        relationships: (start..count.min(start + 1_000))
            .map(|n| relationship(&format!("document:d{n:07}#viewer@user:u{}", n % 1_000)))
            .collect(),
    })
}

async fn load(client: &mut Client, count: usize) {
    let parts = tokio_stream::iter(documents(count).collect::<Vec<_>>());
    client.import_bulk_relationships(parts).await.unwrap();
}

fn lock(name: &str) -> proto::WriteRelationshipsRequest {
    let updates = vec![touch(&format!("lock:{name}#holder@user:ann"))];
    proto::WriteRelationshipsRequest { updates, ..Default::default() }
}

fn all_documents() -> proto::DeleteRelationshipsRequest {
    let relationship_filter = Some(crate::server_support::filter("document"));
    proto::DeleteRelationshipsRequest { relationship_filter, ..Default::default() }
}

#[expect(clippy::disallowed_methods, reason = "tests measure upper bounds")]
fn start() -> Instant {
    Instant::now()
}

/// Begins to delete everything, and returns when the deletion is in progress.
async fn long_deletion(client: &Client) -> JoinHandle<Result<(), Status>> {
    let mut deleting = client.clone();
    let deletion =
        tokio::spawn(
            async move { deleting.delete_relationships(all_documents()).await.map(|_| ()) },
        );
    // A write that is not made within a while waits for the deletion.
    let mut writing = client.clone();
    for number in 0.. {
        let mut request = Request::new(lock(&format!("probe{number}")));
        request.set_timeout(Duration::from_millis(200));
        if deletion.is_finished() || writing.write_relationships(request).await.is_err() {
            break;
        }
    }
    deletion
}

async fn locks(client: &mut Client, prefix: &str) -> usize {
    let request = proto::ReadRelationshipsRequest {
        relationship_filter: Some(proto::RelationshipFilter {
            optional_resource_id_prefix: prefix.to_owned(),
            ..crate::server_support::filter("lock")
        }),
        consistency: Some(crate::server_support::consistency(
            proto::consistency::Requirement::FullyConsistent(true),
        )),
        ..Default::default()
    };
    let mut stream = client.read_relationships(request).await.unwrap().into_inner();
    let mut count = 0;
    while stream.message().await.unwrap().is_some() {
        count += 1;
    }
    count
}

/// The longest check while a deletion of so many relationships is in progress and 100 writes wait, of which all are given
/// up; and how long the deletion took.
async fn checks_beside_a_deletion(server: &Running, count: usize) -> (Duration, Duration) {
    server.write_schema(SCHEMA).await.unwrap();
    let mut client = server.permissions().await;
    load(&mut client, count).await;
    let began = start();
    let deletion = long_deletion(&client).await;

    let mut writes = Vec::new();
    for number in 0..100 {
        let mut client = client.clone();
        writes.push(tokio::spawn(async move {
            let mut request = Request::new(lock(&format!("waiting{number}")));
            request.set_timeout(Duration::from_millis(300));
            client.write_relationships(request).await.map(|_| ())
        }));
    }
    let (mut longest, mut checks) = (Duration::ZERO, 0);
    while !deletion.is_finished() {
        let began = start();
        let requested = question(&format!("document:none{checks}#view@user:ann"));
        client.check_permission(requested).await.unwrap();
        longest = longest.max(began.elapsed());
        checks += 1;
    }
    deletion.await.unwrap().unwrap();
    let took = began.elapsed();

    let mut given_up = 0;
    for write in writes {
        given_up += usize::from(write.await.unwrap().is_err());
    }
    // The next caller is served after them.
    client.write_relationships(lock("after")).await.unwrap();
    assert_eq!(locks(&mut client, "waiting").await, 100 - given_up, "{given_up} gave up");
    (longest, took)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_do_not_wait_for_a_deletion_and_waiting_writes() {
    let server = fresh_with(|_| {}).await;
    let (longest, took) = checks_beside_a_deletion(&server, 60_000).await;
    assert!(longest < SHORT, "a check took {longest:?} during a deletion of {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures and takes about 60 s; run with `cargo test --release --test it write_queue -- --ignored`"]
#[expect(clippy::print_stdout, reason = "figures are for people")]
async fn checks_beside_a_deletion_of_600_000() {
    let server = fresh_with(|config| config.store.sync = true).await;
    let (longest, took) = checks_beside_a_deletion(&server, 600_000).await;
    println!("longest check {longest:?} during a deletion of {took:?} with 100 waiting writes");
    assert!(longest < SHORT);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_large_write_whose_client_has_gone_is_taken_back() {
    let server = fresh_with(|_| {}).await;
    server.write_schema(SCHEMA).await.unwrap();
    let mut client = server.permissions().await;
    load(&mut client, 40_000).await;
    let mut deleting = client.clone();
    let deletion =
        tokio::spawn(async move { deleting.delete_relationships(all_documents()).await });
    // Made between its pieces.
    for number in 0..3 {
        client.write_relationships(lock(&format!("between{number}"))).await.unwrap();
    }
    deletion.abort();
    let _ = deletion.await;
    soon(client.write_relationships(lock("after"))).await.unwrap();
    assert!(server.has("document:d0000000#view@user:u0").await);
    assert!(server.has("document:d0039999#view@user:u999").await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_writes_than_the_queue_holds_are_refused() {
    const AT_ONCE: usize = 100;
    let server = fresh_with(|config| config.store.queue.writes_max = 3).await;
    server.write_schema(SCHEMA).await.unwrap();
    let mut client = server.permissions().await;

    // The writer empties the queue while the writes arrive, so that a round may find room for all of its writes.
    let (mut made, mut refused) = (0, 0);
    for round in 0.. {
        let writes = (0..AT_ONCE).map(|number| {
            let mut client = client.clone();
            let request = lock(&format!("waiting{round}_{number}"));
            tokio::spawn(async move { client.write_relationships(request).await.map(|_| ()) })
        });
        for write in writes.collect::<Vec<_>>() {
            let Err(status) = write.await.unwrap() else {
                made += 1;
                continue;
            };
            require(&status, Code::ResourceExhausted, "", &[]);
            assert!(status.message().contains("too many writes are waiting"), "{status}");
            refused += 1;
        }
        if refused > 0 {
            break;
        }
    }

    assert!(made > 0, "{refused} refused");
    assert_eq!(locks(&mut client, "waiting").await, made);
}

/// [`SCHEMA`] with many types of subjects.
fn schema_with_robots() -> String {
    let (mut definitions, mut types) = (String::new(), String::new());
    for n in 0..ROBOTS {
        writeln!(definitions, "definition robot{n} {{}}").unwrap();
        write!(types, " | robot{n}").unwrap();
    }
    definitions + &SCHEMA.replace("holder: user", &format!("holder: user{types}"))
}

/// Writes a relationship with each type of subject, none of them on a document.
async fn load_robots(client: &mut Client) {
    let updates = (0..ROBOTS).map(|n| touch(&format!("lock:robots#holder@robot{n}:r")));
    let request = proto::WriteRelationshipsRequest { updates: updates.collect(), ..lock("x") };
    client.write_relationships(request).await.unwrap();
}

/// Preconditions that no index serves: each looks at every document for subjects of one type.
fn slow_preconditions(count: usize) -> Vec<proto::Precondition> {
    let filter = |n| proto::RelationshipFilter {
        optional_subject_filter: Some(proto::SubjectFilter {
            subject_type: format!("robot{n}"),
            ..Default::default()
        }),
        ..crate::server_support::filter("document")
    };
    let operation = proto::precondition::Operation::MustNotMatch.into();
    (0..count).map(|n| proto::Precondition { operation, filter: Some(filter(n)) }).collect()
}

/// The longest of many small writes during so many with slow preconditions, and how long those took.
async fn writes_beside_preconditions(
    server: &Running,
    rows: usize,
    (writes, preconditions): (usize, usize),
) -> (Duration, Duration) {
    server.write_schema(&schema_with_robots()).await.unwrap();
    let mut client = server.permissions().await;
    load(&mut client, rows).await;
    load_robots(&mut client).await;
    let began = start();
    let slow: Vec<_> = (0..writes)
        .map(|n| {
            let (mut slow, optional_preconditions) =
                (client.clone(), slow_preconditions(preconditions));
            let request = lock(&format!("slow{n}"));
            let request = proto::WriteRelationshipsRequest { optional_preconditions, ..request };
            tokio::spawn(async move { slow.write_relationships(request).await })
        })
        .collect();
    let (mut longest, mut number) = (Duration::ZERO, 0);
    while !slow.iter().all(JoinHandle::is_finished) {
        let began = start();
        client.write_relationships(lock(&format!("innocent{number}"))).await.unwrap();
        longest = longest.max(began.elapsed());
        number += 1;
    }
    for slow in slow {
        slow.await.unwrap().unwrap();
    }
    (longest, began.elapsed())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_preconditions_do_not_hold_up_other_writes() {
    let server = fresh_with(|_| {}).await;
    let (longest, took) = writes_beside_preconditions(&server, 20_000, (1, ROBOTS)).await;
    assert!(longest < SHORT, "a write took {longest:?} beside preconditions of {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writes_with_slow_preconditions_do_not_take_every_thread() {
    let server = fresh_with(|config| config.threads_max = 8).await;
    let (longest, took) = writes_beside_preconditions(&server, 5_000, (40, 20)).await;
    assert!(longest < SHORT, "a write took {longest:?} beside preconditions of {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "prints figures and takes about 60 s; run with `cargo test --release --test it write_queue -- --ignored`"]
#[expect(clippy::print_stdout, reason = "figures are for people")]
async fn writes_beside_200_preconditions_over_300_000_rows() {
    let server = fresh_with(|config| config.store.sync = true).await;
    let (longest, took) = writes_beside_preconditions(&server, 300_000, (1, ROBOTS)).await;
    println!("longest innocent write {longest:?} beside preconditions of {took:?}");
    assert!(longest < SHORT);
}

#[tokio::test]
async fn equal_preconditions_are_looked_at_once() {
    let server = fresh_with(|_| {}).await;
    server.write_schema(&schema_with_robots()).await.unwrap();
    let mut client = server.permissions().await;
    load(&mut client, 20_000).await;
    load_robots(&mut client).await;
    let mut optional_preconditions = slow_preconditions(1);
    optional_preconditions = vec![optional_preconditions.remove(0); 1_000];
    let began = start();
    let request = proto::WriteRelationshipsRequest { optional_preconditions, ..lock("a") };
    client.write_relationships(request).await.unwrap();
    assert!(began.elapsed() < 5 * SHORT, "{:?}", began.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_long_write_and_waiting_ones_ends_with_the_grace_period() {
    let folder = tempfile::tempdir().unwrap();
    let served = Served::start_with(folder.path(), &["--shutdown-grace-period", "1s"]);
    let schema = proto::WriteSchemaRequest { schema: SCHEMA.to_owned() };
    served.schema().await.write_schema(schema).await.unwrap();
    let mut client = served.permissions().await;
    load(&mut client, 100_000).await;
    let deletion = long_deletion(&client).await;
    let mut writes = Vec::new();
    for number in 0..50 {
        let mut client = client.clone();
        writes.push(tokio::spawn(async move {
            client.write_relationships(lock(&format!("waiting{number}"))).await
        }));
    }

    let began = start();
    let pid = served.process_id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let code = tokio::task::spawn_blocking(move || served.wait()).await.unwrap();
    assert_eq!(code, Some(0));
    assert!(began.elapsed() < Duration::from_secs(6), "{:?}", began.elapsed());
    let _ = deletion.await;
    for write in writes {
        let _ = write.await;
    }

    // The deletion is there whole or not at all.
    let served = Served::start(folder.path());
    let mut client = served.permissions().await;
    let left = proto::ReadRelationshipsRequest {
        relationship_filter: Some(crate::server_support::filter("document")),
        ..Default::default()
    };
    let mut stream = client.read_relationships(left).await.unwrap().into_inner();
    let mut count = 0;
    while stream.message().await.unwrap().is_some() {
        count += 1;
    }
    assert!(count == 0 || count == 100_000, "{count} relationships are left");
}

#[test]
fn the_bounds_of_waiting_writes_are_options() {
    let folder = tempfile::tempdir().unwrap();
    let help = kilwa(folder.path()).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for option in [
        "--max-waiting-writes <COUNT>",
        "--max-waiting-writes-size <BYTES>",
        "--bulk-import-idle-timeout <DURATION>",
        "--max-bulk-import-spill-size <BYTES>",
    ] {
        assert!(help.contains(option), "{option}");
    }
}
