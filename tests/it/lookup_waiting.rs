//! Parked lookups: they save work, and never change the results.

use crate::reference::case::Asked;
use kilwa::database::{Consistency, Database, DatabaseError, DatabaseOptions, View, WriteRequest};
use kilwa::engine::{ResourceFilter, Statistics};
use kilwa::relationship::{ReadPoint, RelationshipUpdate, Timestamp, UpdateOperation};
use kilwa::store::StoreOptions;
use std::cell::Cell;
use std::path::Path;

const SCHEMA: &str = "
use expiration
caveat on_flag(flag bool) { flag }
definition user {}
definition group { relation member: user | user with expiration }
definition document {
    relation viewer: user | user with expiration | user with on_flag | group#member
    permission view = viewer
}";

fn at(year: u32) -> Timestamp {
    Timestamp::parse(&format!("{year}-01-01T00:00:00Z")).unwrap()
}

fn database(folder: &Path, options: DatabaseOptions) -> Database {
    let store = StoreOptions { sync: false, ..StoreOptions::default() };
    let database = Database::open(folder, &store, options).unwrap();
    database.write_schema(at(2029), SCHEMA).unwrap();
    let updates = [
        "document:a#viewer@user:ann",
        "document:b#viewer@group:eng#member",
        "document:c#viewer@user:ann[on_flag]",
        "document:d#viewer@user:ann[expiration:2030-06-01T00:00:00Z]",
        "document:e#viewer@group:short#member",
        "document:f#viewer@user:ann",
        "group:eng#member@user:ann",
        "group:short#member@user:ann[expiration:2032-06-01T00:00:00Z]",
    ];
    let update = |text: &str| RelationshipUpdate {
        operation: UpdateOperation::Touch,
        relationship: text.parse().unwrap(),
    };
    let updates = updates.into_iter().map(update).collect();
    database.write(at(2029), WriteRequest { updates, ..WriteRequest::default() }).unwrap();
    database
}

fn view(database: &Database, year: u32) -> View<'_> {
    database.view(Consistency::FullyConsistent, at(year)).unwrap()
}

/// A page of two, what it cost to start it, and what its last id is for the next one.
fn page(
    view: &View<'_>,
    question: &str,
    within: &ResourceFilter,
    after: Option<&str>,
) -> (Vec<String>, Statistics) {
    let requested = Asked::parse(question);
    let sought = requested.sought(within);
    let (mut lookup, cost) = view.start_lookup(&sought, after, false).unwrap();
    let page = view.continue_lookup(&mut lookup, &sought, 2).unwrap();
    let ids: Vec<String> = page.found.into_iter().map(|found| found.object_id).collect();
    if let Some(last) = ids.last() {
        view.park_lookup(lookup, &sought, last);
    }
    (ids, cost)
}

#[test]
fn the_next_page_starts_where_the_last_one_ended() {
    for (bytes, waits) in [(1 << 20, true), (0, false)] {
        let folder = tempfile::tempdir().unwrap();
        let options = DatabaseOptions { parked_lookups_bytes: bytes, ..Default::default() };
        let database = database(folder.path(), options);
        let view = view(&database, 2030);
        let whole = ResourceFilter::default();
        let mut seen = Vec::new();
        for n in 0..4 {
            let after: Option<String> = seen.last().cloned();
            let (ids, cost) = page(&view, "document:x#view@user:ann", &whole, after.as_deref());
            assert_eq!(cost.reads == 0, n > 0 && waits, "page {n} with {bytes} bytes: {cost:?}");
            seen.extend(ids);
        }
        assert_eq!(seen, ["a", "b", "c", "d", "e", "f"]);
    }
}

#[test]
fn what_expires_between_two_pages_is_not_found() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path(), DatabaseOptions::default());
    let whole = ResourceFilter::default();
    let at_year =
        |year, after| page(&view(&database, year), "document:x#view@user:ann", &whole, after);
    assert_eq!(at_year(2030, None).0, ["a", "b"]);
    assert_eq!(at_year(2031, Some("b")).0, ["c", "e"]);
    assert_eq!(at_year(2032, Some("e")).0, ["f"]);
    assert_eq!(at_year(2031, Some("c")).0, ["e", "f"]);
    assert_eq!(at_year(2033, Some("c")).0, ["f"]);
}

#[test]
fn a_page_of_the_past_is_not_continued_from_a_lookup_of_the_present() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path(), DatabaseOptions::default());
    let (whole, question) = (ResourceFilter::default(), "document:x#view@user:ann");
    let present = view(&database, 2031);
    let past = ReadPoint::new(present.revision(), at(2030));
    let past = database.view(Consistency::AsOf(past), at(2031)).unwrap();
    // Both ways: neither has what had expired, or had not, for the other.
    assert_eq!(page(&present, question, &whole, None).0, ["a", "b"]);
    assert_eq!(page(&past, question, &whole, Some("b")).0, ["c", "d"]);
    assert_eq!(page(&past, question, &whole, None).0, ["a", "b"]);
    assert_eq!(page(&present, question, &whole, Some("b")).0, ["c", "e"]);
}

#[test]
fn another_question_does_not_go_on_there() {
    let folder = tempfile::tempdir().unwrap();
    let database = database(folder.path(), DatabaseOptions::default());
    let whole = ResourceFilter::default();
    let question = "document:x#view@user:ann";
    let first = || assert_eq!(page(&view(&database, 2030), question, &whole, None).0, ["a", "b"]);
    let ids = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    for (question, within, expected) in [
        (
            question,
            ResourceFilter {
                ids: ids(&["a", "f", "x"]),
                prefix: String::new(),
                ..ResourceFilter::default()
            },
            ["f"].as_slice(),
        ),
        (question, ResourceFilter { prefix: "f".to_owned(), ..ResourceFilter::default() }, &["f"]),
        ("document:x#view@user:ben", ResourceFilter::default(), &[]),
        ("document:x#view@user:ann with {\"flag\": false}", ResourceFilter::default(), &["d", "e"]),
        ("document:x#viewer@user:ann", ResourceFilter::default(), &["c", "d"]),
    ] {
        first();
        let (found, cost) = page(&view(&database, 2030), question, &within, Some("b"));
        assert_eq!(found, expected, "{question} {within:?}");
        assert!(cost.reads > 0 || !within.ids.is_empty(), "{question} {within:?}");
    }
    first();
    let update = RelationshipUpdate {
        operation: UpdateOperation::Touch,
        relationship: "document:bb#viewer@user:ann".parse().unwrap(),
    };
    let request = WriteRequest { updates: vec![update], ..WriteRequest::default() };
    database.write(at(2030), request).unwrap();
    assert_eq!(page(&view(&database, 2030), question, &whole, Some("b")).0, ["bb", "c"]);
}

#[test]
fn lookups_share_a_bound_on_memory() {
    let folder = tempfile::tempdir().unwrap();
    let options = DatabaseOptions { lookups_bytes_max: 1 << 20, ..Default::default() };
    let database = database(folder.path(), options);
    let view = view(&database, 2030);
    let requested = Asked::parse("document:x#view@user:ann");
    let whole = ResourceFilter::default();
    let sought = requested.sought(&whole);
    let mut under_way = Vec::new();
    let error = loop {
        match view.start_lookup(&sought, None, false) {
            Ok((lookup, _)) => under_way.push(lookup),
            Err(error) => break error,
        }
        assert!(under_way.len() < 100);
    };
    assert!(!under_way.is_empty());
    assert!(matches!(error, DatabaseError::LookupsTooLarge { .. }), "{error}");
    under_way.pop();
    view.start_lookup(&sought, None, false).unwrap();
}

#[test]
fn a_lookup_is_held_against_the_shared_bound_from_its_start() {
    const GROUPS: usize = 20_000;
    let folder = tempfile::tempdir().unwrap();
    let options = DatabaseOptions { lookups_bytes_max: 256 << 10, ..Default::default() };
    let database = database(folder.path(), options);
    for start in (0..GROUPS).step_by(1_000) {
        let update = |n| RelationshipUpdate {
            operation: UpdateOperation::Touch,
            relationship: format!("group:g{n:0100}#member@user:ben").parse().unwrap(),
        };
        let updates = (start..start + 1_000).map(update).collect();
        database.write(at(2029), WriteRequest { updates, ..WriteRequest::default() }).unwrap();
    }
    let whole = ResourceFilter::default();
    let requested = Asked::parse("document:x#view@user:ben");
    let sought = requested.sought(&whole);
    // It checks so often whether its caller still waits; all groups would take some twenty times as long.
    let looks = Cell::new(0);
    let count = || {
        looks.set(looks.get() + 1);
        false
    };
    let waiting = view(&database, 2030).interrupted_by(&count);
    let error = waiting.start_lookup(&sought, None, false).unwrap_err();
    assert!(matches!(error, DatabaseError::LookupsTooLarge { .. }), "{error}");
    assert!(looks.get() < 10, "{}", looks.get());

    // Its memory is released: others can use all of it.
    let requested = Asked::parse("document:x#view@user:ann");
    let started = view(&database, 2030).start_lookup(&requested.sought(&whole), None, false);
    started.unwrap();
}
