//! Lookups of resources on much data: what they need of memory, and how many reads. They take minutes, and are run by name:
//!
//! `cargo test --release --test it -- --ignored --nocapture lookup_at_scale`
//!
//! `KILWA_SCALE_RESOURCES` and `KILWA_SCALE_STORED` set other sizes.

#![expect(
    clippy::disallowed_methods,
    reason = "tells how long things take, and decides nothing by it"
)]

use super::server_support::{object, touch};
use crate::outside::{setting, tell};
use crate::readers::CountingReader;
use crate::reference::case::Asked;
use crate::schema_support::schema;
use crate::served::Served;
use kilwa::database::{Database, DatabaseOptions};
use kilwa::engine::{EvalContext, ResourceFilter, ResourceLookup};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::relationship::{Relationship, Timestamp};
use kilwa::store::{Store, StoreOptions};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

const SCHEMA: &str = "
definition user {}
definition group { relation member: user }
definition folder {
    relation viewer: user | group#member
    permission view = viewer
}
definition document {
    relation folder: folder
    relation viewer: user | group#member
    relation banned: user
    permission view = viewer + folder->view
    permission allowed = view - banned
}";

/// How many relationships are written at once.
const PART: usize = 100_000;
/// How many documents lie in one folder.
const FOLDER: usize = 25;
/// The memory that a lookup may need in addition to the server's.
const GROWTH_KIB_MAX: u64 = 64 << 10;

fn now() -> Timestamp {
    Timestamp::from_unix(1_000_000, 0).unwrap()
}

fn size(variable: &str, otherwise: usize) -> usize {
    setting(variable).map_or(otherwise, |count| usize::try_from(count).unwrap())
}

fn fill(folder: &Path, relationships: impl Iterator<Item = String>) {
    let options = StoreOptions { sync: false, ..StoreOptions::default() };
    let database = Database::open(folder, &options, DatabaseOptions::default()).unwrap();
    database.write_schema(now(), SCHEMA).unwrap();
    let mut part: Vec<Relationship> = Vec::with_capacity(PART);
    for text in relationships {
        part.push(text.parse().unwrap());
        if part.len() == PART {
            database.import(now(), &part).unwrap();
            part.clear();
        }
    }
    database.import(now(), &part).unwrap();
}

/// Documents that `user:ann` may view: every other one herself, the others by their folders.
fn accessible(count: usize) -> impl Iterator<Item = String> {
    let documents = (0..count).map(|n| {
        if n % 2 == 0 {
            format!("document:d{n:08}#viewer@user:ann")
        } else {
            format!("document:d{n:08}#folder@folder:f{}", n / FOLDER)
        }
    });
    let folders = (0..=count / FOLDER).map(|n| format!("folder:f{n}#viewer@group:eng#member"));
    documents.chain(folders).chain(["group:eng#member@user:ann".to_owned()])
}

fn request(permission: &str, limit: u32) -> proto::LookupResourcesRequest {
    proto::LookupResourcesRequest {
        resource_object_type: "document".to_owned(),
        permission: permission.to_owned(),
        subject: Some(proto::SubjectReference {
            object: Some(object("user", "ann")),
            optional_relation: String::new(),
        }),
        optional_limit: limit,
        ..Default::default()
    }
}

/// Looks everything up in one stream. Gives how many results there were, a number that identifies their sequence, and by how
/// much memory grew.
async fn stream_all(server: &Served, permission: &str) -> (usize, u64, u64) {
    let before = server.resident_kib();
    let mut client = server.permissions().await;
    let mut stream = client.lookup_resources(request(permission, 0)).await.unwrap().into_inner();
    let (mut count, mut sequence, mut peak) = (0, 0, before);
    while let Some(response) = stream.message().await.unwrap() {
        count += 1;
        sequence = fold(sequence, &response.resource_object_id);
        if count % 5_000 == 0 {
            peak = peak.max(server.resident_kib());
        }
    }
    (count, sequence, peak.max(server.resident_kib()) - before)
}

/// The same in pages. `begun` is called after the first one.
async fn page_all(server: &Served, permission: &str, begun: impl FnOnce()) -> (usize, u64) {
    let mut client = server.permissions().await;
    let (mut count, mut sequence, mut cursor) = (0, 0, None);
    let mut begun = Some(begun);
    loop {
        let mut request = request(permission, 1_000);
        request.optional_cursor = cursor.take();
        let mut stream = client.lookup_resources(request).await.unwrap().into_inner();
        let before = count;
        while let Some(response) = stream.message().await.unwrap() {
            count += 1;
            sequence = fold(sequence, &response.resource_object_id);
            cursor = response.after_result_cursor;
        }
        if count - before < 1_000 {
            return (count, sequence);
        }
        if let Some(begun) = begun.take() {
            begun();
        }
    }
}

/// Adds resources, one after the other, until it is stopped; gives how many.
async fn add_resources(server: Arc<Served>, stop: Arc<AtomicBool>, first: usize) -> usize {
    let mut added = 0;
    while !stop.load(Ordering::Relaxed) {
        let late = format!("document:d{:08}x#viewer@user:ann", first + added);
        let updates = [&late, "document:other#viewer@user:ben"].map(touch).to_vec();
        let request = proto::WriteRelationshipsRequest { updates, ..Default::default() };
        server.permissions().await.write_relationships(request).await.unwrap();
        added += 1;
    }
    added
}

/// A number that distinguishes a sequence of ids from every other likely one.
fn fold(sequence: u64, id: &str) -> u64 {
    id.bytes().chain([0]).fold(sequence, |sum, byte| {
        sum.wrapping_mul(0x100_0000_01b3).wrapping_add(u64::from(byte) + 1)
    })
}

#[tokio::test]
#[ignore = "takes minutes: loads a million resources"]
async fn a_million_resources_are_streamed_and_paged() {
    let mut resources = size("KILWA_SCALE_RESOURCES", 1_000_000);
    let dir = tempfile::tempdir().unwrap();
    fill(dir.path(), accessible(resources));
    let options = ["--block-cache-size", "8388608"];
    let server = Arc::new(Served::start_with(dir.path(), &options));
    // What a server needs for its first calls, such as threads, connections and open files, it keeps.
    let mut client = server.permissions().await;
    for permission in ["view", "allowed"] {
        let mut first = client.lookup_resources(request(permission, 1)).await.unwrap().into_inner();
        while first.message().await.unwrap().is_some() {}
    }
    for permission in ["view", "allowed"] {
        let started = Instant::now();
        let (count, sequence, growth) = stream_all(&server, permission).await;
        let took = started.elapsed();
        tell(&format!("{permission}: {count} streamed in {took:?}, memory grew by {growth} KiB"));
        assert_eq!(count, resources);
        assert!(growth < GROWTH_KIB_MAX, "memory grew by {growth} KiB");
        let stop = Arc::new(AtomicBool::new(false));
        let mut adding = None;
        let started = Instant::now();
        let paged = page_all(&server, permission, || {
            let adder = add_resources(Arc::clone(&server), Arc::clone(&stop), resources);
            adding = Some(tokio::spawn(adder));
        })
        .await;
        let took = started.elapsed();
        stop.store(true, Ordering::Relaxed);
        let added = adding.unwrap().await.unwrap();
        tell(&format!("{permission}: in pages of 1,000 in {took:?}, beside {added} writes"));
        assert_eq!(paged, (count, sequence));
        resources += added;
    }
}

#[test]
#[ignore = "takes minutes: loads ten million relationships"]
fn three_resources_among_ten_million_relationships_cost_a_few_reads() {
    let stored = size("KILWA_SCALE_STORED", 10_000_000);
    let dir = tempfile::tempdir().unwrap();
    let others = (0..stored / 2).flat_map(|n| {
        let owner = n % 1_000;
        [
            format!("document:d{n}#viewer@user:u{owner}"),
            format!("document:d{n}#folder@folder:f{}", n / FOLDER),
        ]
    });
    let mine = [
        "document:d77#viewer@user:ann",
        "document:d99#viewer@group:eng#member",
        "group:eng#member@user:ann",
        "folder:mine#viewer@user:ann",
        "document:mine#folder@folder:mine",
    ];
    fill(dir.path(), others.chain(mine.map(str::to_owned)));
    let schema = schema(SCHEMA);
    let store = Store::open(dir.path(), &StoreOptions::default()).unwrap();
    for permission in ["view", "allowed"] {
        let reader = CountingReader::new(store.snapshot(now()).unwrap());
        let scope = EvalContext::new(&schema, &reader);
        let requested = Asked::parse(&format!("document:x#{permission}@user:ann"));
        let everything = ResourceFilter::default();
        let sought = requested.sought(&everything);
        let started = Instant::now();
        let (mut lookup, _) = ResourceLookup::start(&scope, &sought, None).unwrap();
        let page = lookup.next_page(&scope, &sought, usize::MAX).unwrap();
        tell(&format!(
            "{permission}: {} resources among {stored} relationships by {} reads of {} relationships in {:?}",
            page.found.len(),
            reader.reads(),
            reader.returned(),
            started.elapsed()
        ));
        let ids: Vec<String> = page.found.into_iter().map(|found| found.object_id).collect();
        assert_eq!(ids, ["d77", "d99", "mine"]);
        assert!(reader.reads() < 40 && reader.returned() < 40);
    }
}
