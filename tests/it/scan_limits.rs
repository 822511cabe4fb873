//! Reads by filters that no index serves: they examine many rows for few results, so they come in pages of limited work
//! and end when no caller waits any more.

use kilwa::database::{
    Caller, Consistency, Database, DatabaseError, DatabaseOptions, ReadPosition, View, WriteSchema,
};
use kilwa::engine::EngineError;
use kilwa::relationship::{
    ObjectRef, Relationship, RelationshipFilter, SubjectFilter, SubjectRelationFilter, Timestamp,
};
use kilwa::store::StoreOptions;
use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

const SCHEMA: &str = "definition user {}

definition robot {}

definition team {
  relation member: robot
}

definition document {
  relation owner: user | robot
  relation viewer: user | robot
}
";

/// How many relationships there are that no filter of these tests selects.
const ROWS: usize = 25_000;

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(second, 0).unwrap()
}

/// A database whose documents are all owned by users, and in which robots are members of teams only.
fn database() -> Database {
    let database =
        Database::in_memory(&StoreOptions::default(), DatabaseOptions::default()).unwrap();
    database.write_schema(at(1), SCHEMA).unwrap();
    let rows = (0..ROWS).map(|n| format!("document:d{n:06}#owner@user:u{n}"));
    let rows = rows.chain(["team:t#member@robot:r".to_owned()]);
    let rows: Vec<Relationship> = rows.map(|text| text.parse().unwrap()).collect();
    database.import(at(2), &rows).unwrap();
    database
}

/// Relationships of documents with robots.
fn robots() -> RelationshipFilter {
    let subject_type = "robot".to_owned();
    let relation = SubjectRelationFilter::Any;
    RelationshipFilter {
        resource_type: Some("document".to_owned()),
        subject: Some(SubjectFilter { subject_type, subject_id: None, relation }),
        ..RelationshipFilter::default()
    }
}

/// Reports from the second call on that no caller waits, and counts the calls.
fn gone(calls: &Cell<u32>) -> impl Fn() -> bool {
    move || {
        calls.set(calls.get() + 1);
        calls.get() > 1
    }
}

/// Requires that work on `ROWS` rows ends with the second look at its caller, as an interruption.
#[track_caller]
fn ends<T: std::fmt::Debug>(work: impl FnOnce(&dyn Fn() -> bool) -> Result<T, DatabaseError>) {
    let calls = Cell::new(0);
    let error = work(&gone(&calls)).unwrap_err();
    assert!(matches!(error, DatabaseError::Engine(EngineError::Interrupted)), "{error}");
    assert_eq!(calls.get(), 2);
}

fn newest(database: &Database) -> View<'_> {
    database.view(Consistency::FullyConsistent, at(9)).unwrap()
}

#[test]
fn a_page_without_results_ends_and_says_where_to_continue() {
    let database = database();
    let view = newest(&database);
    let (mut pages, mut after) = (0, None);
    loop {
        let page = view.read(&robots(), after.as_ref(), 1_000).unwrap();
        assert!(page.rows.is_empty());
        pages += 1;
        let Some(next) = page.next else { break };
        after = Some(ReadPosition::from_bytes(&next.to_bytes()).unwrap());
    }
    assert!(pages >= 3, "{pages} pages for {ROWS} rows");
}

#[test]
fn results_between_rows_that_do_not_match_all_come() {
    let database = database();
    let texts = ["document:d000000#owner@robot:a", "document:d012345#owner@robot:b"];
    let texts = texts.into_iter().chain(["document:d999999#owner@robot:c"]);
    let rows: Vec<Relationship> = texts.clone().map(|text| text.parse().unwrap()).collect();
    database.import(at(3), &rows).unwrap();
    let view = newest(&database);
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let page = view.read(&robots(), after.as_ref(), 1).unwrap();
        found.extend(page.rows.into_iter().map(|(row, _)| row.to_string()));
        let Some(next) = page.next else { break };
        after = Some(next);
    }
    assert_eq!(found, texts.collect::<Vec<_>>());
}

#[test]
fn every_scan_ends_when_nobody_waits() {
    let database = database();
    ends(|gone| newest(&database).interrupted_by(gone).read(&robots(), None, 1_000));
    ends(|gone| newest(&database).interrupted_by(gone).export(Some(&robots()), None, 1_000));
    ends(|gone| newest(&database).interrupted_by(gone).export(None, None, usize::MAX));
    let document = ObjectRef::new("document", "none").unwrap();
    let error =
        newest(&database).interrupted_by(&|| true).count_references(&document, None).unwrap_err();
    assert!(matches!(error, DatabaseError::Engine(EngineError::Interrupted)), "{error}");

    database.register_counter(at(3), "robots", robots()).unwrap();
    ends(|gone| newest(&database).interrupted_by(gone).count("robots"));
}

#[test]
fn a_schema_change_ends_when_nobody_waits() {
    let database = database();
    let less = SCHEMA.replace("viewer: user | robot", "viewer: user");
    let less = less.replace("owner: user | robot", "owner: user");
    let calls = Arc::new(AtomicU32::new(0));
    let count = Arc::clone(&calls);
    let interrupted = Arc::new(move || count.fetch_add(1, Ordering::SeqCst) > 0);
    let caller = Caller { clock: at(3).into(), interrupted, writer: None };
    let error = database.execute(&caller, WriteSchema::new(&*less)).unwrap_err();
    assert!(matches!(error, DatabaseError::Engine(EngineError::Interrupted)), "{error}");
    assert_eq!(calls.load(Ordering::SeqCst), 2);
    database.write_schema(at(3), &less).unwrap();
}

#[test]
fn changes_after_the_requested_time_are_skipped_within_the_same_bounds() {
    let database = database();
    let before = database.revision_at(at(1), at(9)).unwrap();
    let old = || database.view(Consistency::AtExactSnapshot(before), at(9)).unwrap();
    let filter = RelationshipFilter {
        resource_type: Some("document".to_owned()),
        ..RelationshipFilter::default()
    };
    let page = old().read(&filter, None, 1_000).unwrap();
    assert!(page.rows.is_empty() && page.next.is_some());
    ends(|gone| old().interrupted_by(gone).read(&filter, None, 1_000));
}
