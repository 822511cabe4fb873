//! The order of reads by filter: by resource type, resource id, relation, subject type, subject id and subject relation, as
//! texts, whatever numbers the names have, on every page and at every revision.

use super::server_support::{filter as of_type, fresh, require, text};
use kilwa::proto::authzed::api::v1 as proto;
use kilwa::relationship::{
    ObjectIdFilter, Relationship, RelationshipFilter, Revision, SubjectFilter,
    SubjectRelationFilter, Timestamp,
};
use kilwa::store::{ScanBudget, ScanPosition, Snapshot, Store, StoreOptions};
use proptest::prelude::*;
use proptest::test_runner::TestRunner;
use std::collections::BTreeMap;
use tokio::time::Instant;
use tonic::Code;

const TYPES: [&str; 3] = ["doc", "team", "zone"];
const RELATIONS: [&str; 4] = ["admin", "member", "owner", "viewer"];
const IDS: [&str; 6] = ["a", "a-b", "a0", "b", "ba", "c"];
const SUBJECTS: [&str; 5] = ["*", "a", "ab", "b", "u"];

fn now() -> Timestamp {
    Timestamp::from_unix(1_000, 0).unwrap()
}

/// A relationship by the indexes of its parts.
fn row() -> impl Strategy<Value = String> {
    let subject = (0..TYPES.len(), 0..SUBJECTS.len(), prop::option::of(0..RELATIONS.len()));
    let expires = prop::option::weighted(0.2, any::<bool>());
    (0..TYPES.len(), 0..IDS.len(), 0..RELATIONS.len(), subject, expires).prop_map(
        |(of, id, relation, (subject_type, subject_id, subject_relation), expires)| {
            let (of, id, relation) = (TYPES[of], IDS[id], RELATIONS[relation]);
            let (subject_type, subject_id) = (TYPES[subject_type], SUBJECTS[subject_id]);
            let subject_relation = subject_relation.filter(|_| subject_id != "*");
            let userset = subject_relation.map(|it| format!("#{}", RELATIONS[it]));
            let expires = expires.map(|late| {
                format!("[expiration:1970-01-01T00:{}:00Z]", if late { "30" } else { "10" })
            });
            let (userset, expires) = (userset.unwrap_or_default(), expires.unwrap_or_default());
            format!("{of}:{id}#{relation}@{subject_type}:{subject_id}{userset}{expires}")
        },
    )
}

fn name(names: &'static [&'static str], weight: f64) -> impl Strategy<Value = Option<String>> {
    prop::option::weighted(weight, (0..names.len()).prop_map(|at| names[at].to_owned()))
}

fn filter() -> impl Strategy<Value = RelationshipFilter> {
    let id = prop_oneof![
        2 => Just(None),
        1 => (0..IDS.len()).prop_map(|at| Some(ObjectIdFilter::Exact(IDS[at].to_owned()))),
        1 => prop_oneof![Just("a"), Just("b"), Just("x")]
            .prop_map(|start| Some(ObjectIdFilter::Prefix(start.to_owned()))),
    ];
    let relation = prop_oneof![
        Just(SubjectRelationFilter::Any),
        Just(SubjectRelationFilter::Itself),
        (0..RELATIONS.len()).prop_map(|at| SubjectRelationFilter::Named(RELATIONS[at].to_owned())),
    ];
    let subject = (0..TYPES.len(), name(&SUBJECTS, 0.5), relation).prop_map(
        |(subject_type, subject_id, relation)| SubjectFilter {
            subject_type: TYPES[subject_type].to_owned(),
            subject_id,
            relation,
        },
    );
    (name(&TYPES, 0.5), id, name(&RELATIONS, 0.3), prop::option::of(subject)).prop_map(
        |(resource_type, resource_id, relation, subject)| RelationshipFilter {
            resource_type,
            resource_id,
            relation,
            subject,
        },
    )
}

/// What rows are sorted by.
fn rank(row: &Relationship) -> [String; 6] {
    [
        row.resource.object_type(),
        row.resource.object_id(),
        &row.relation,
        row.subject.object_type(),
        row.subject.object_id(),
        row.subject.relation().unwrap_or_default(),
    ]
    .map(str::to_owned)
}

type Rows = BTreeMap<[String; 6], Relationship>;

/// What a filter selects of these, in order, without what has expired.
fn expected(rows: &Rows, filter: &RelationshipFilter) -> Vec<String> {
    let rows = rows.values().filter(|row| filter.matches(row));
    let rows = rows.filter(|row| row.expires_at.is_none_or(|at| now() < at));
    rows.map(ToString::to_string).collect()
}

/// All pages, joined; each may examine so many rows.
fn read(
    snapshot: &Snapshot<'_>,
    filter: &RelationshipFilter,
    page: usize,
    rows_max: u64,
) -> Vec<String> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let budget = ScanBudget::unlimited().with_rows_max(rows_max);
        let read = snapshot.scan_ordered(filter, after.as_ref(), page, &budget).unwrap();
        assert!(read.rows.len() <= page);
        found.extend(read.rows.iter().map(|(row, _)| row.to_string()));
        let Some(next) = read.next else { return found };
        // The position after the last row is equivalent to that of the page.
        let last = read.rows.last().map(|(_, position)| position.clone());
        let next = last.filter(|_| found.len() % 2 == 0 && read.rows.len() == page).unwrap_or(next);
        after = Some(ScanPosition::from_bytes(&next.to_bytes()).unwrap());
    }
}

/// Writes rows, each of which is a revision of its own, and gives the last one.
fn put(store: &Store, rows: &mut Rows, texts: &[String]) -> Revision {
    let parsed: Vec<Relationship> = texts.iter().map(|text| text.parse().unwrap()).collect();
    rows.extend(parsed.iter().map(|row| (rank(row), row.clone())));
    let written = store.write(now(), move |transaction| {
        parsed.iter().try_for_each(|row| transaction.put(row).map(drop))
    });
    written
        .map_err(|error: kilwa::store::WriteError<kilwa::store::TransactionError>| {
            error.to_string()
        })
        .unwrap()
        .0
}

fn delete(store: &Store, rows: &mut Rows, every: usize) {
    let doomed: Vec<Relationship> = rows.values().step_by(every).cloned().collect();
    for row in &doomed {
        rows.remove(&rank(row));
    }
    let written = store.write(now(), move |transaction| {
        doomed.iter().try_for_each(|row| transaction.remove(row).map(drop))
    });
    written
        .map_err(|error: kilwa::store::WriteError<kilwa::store::TransactionError>| {
            error.to_string()
        })
        .unwrap();
}

#[test]
fn every_filter_gives_every_page_in_order_now_and_then() {
    let rows = || prop::collection::vec(row(), 0..150);
    let filters = prop::collection::vec(filter(), 12);
    let input = (rows(), rows(), filters, 1_usize..40, 1_u64..60, 2_usize..9);
    let config = ProptestConfig { cases: 60, failure_persistence: None, ..Default::default() };
    TestRunner::new(config)
        .run(&input, |(first, second, filters, page, rows_max, every)| {
            let store = Store::in_memory(&StoreOptions::default()).unwrap();
            let mut rows = Rows::new();
            let then = put(&store, &mut rows, &first);
            let before = rows.clone();
            delete(&store, &mut rows, every);
            put(&store, &mut rows, &second);
            let snapshot = store.snapshot(now()).unwrap();
            let old = store.snapshot_at(then, now()).unwrap();
            for filter in filters.iter().chain([&RelationshipFilter::default()]) {
                for (snapshot, rows) in [(&snapshot, &rows), (&old, &before)] {
                    let found = read(snapshot, filter, page, rows_max);
                    prop_assert_eq!(found, expected(rows, filter), "{:?}", filter);
                }
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn no_row_is_given_twice_wherever_the_budget_ends() {
    let texts = [
        "doc:a#admin@zone:b",
        "doc:a#admin@zone:b#admin",
        "doc:a-b#admin@zone:b",
        "doc:a#admin@zone:b#member",
        "zone:c#owner@zone:b#admin",
        "zone:c#owner@zone:b#owner",
        "doc:a-b#member@zone:b",
        "zone:ba#admin@zone:b#admin",
        "zone:c#admin@zone:b",
        "zone:ba#owner@zone:b#owner[expiration:1970-01-01T00:10:00Z]",
    ];
    let store = Store::in_memory(&StoreOptions::default()).unwrap();
    let mut rows = Rows::new();
    put(&store, &mut rows, &texts.map(str::to_owned));
    let snapshot = store.snapshot(now()).unwrap();
    let subject = SubjectFilter {
        subject_type: "zone".to_owned(),
        subject_id: Some("b".to_owned()),
        relation: SubjectRelationFilter::Any,
    };
    let filter = RelationshipFilter { subject: Some(subject), ..RelationshipFilter::default() };
    for rows_max in 1..60 {
        for page in 1..30 {
            let found = read(&snapshot, &filter, page, rows_max);
            assert_eq!(found, expected(&rows, &filter), "{rows_max} rows, {page} a page");
        }
    }
}

#[test]
fn many_subjects_of_one_relation_come_in_order() {
    let store = Store::in_memory(&StoreOptions::default()).unwrap();
    let mut texts = vec!["doc:a#viewer@zone:a".to_owned(), "doc:c#owner@team:a".to_owned()];
    for n in 0..700 {
        texts.push(format!("doc:b#viewer@zone:u{n:04}"));
        texts.push(format!("doc:b#viewer@team:t{n:04}#owner"));
        texts.push(format!("doc:b#viewer@team:t{n:04}#member"));
        texts.push(format!("doc:b#viewer@team:t{n:04}"));
        texts.push(format!("doc:b#owner@zone:u{n:04}"));
    }
    let mut rows = Rows::new();
    let then = put(&store, &mut rows, &texts);
    let before = rows.clone();
    delete(&store, &mut rows, 3);
    let snapshot = store.snapshot(now()).unwrap();
    let old = store.snapshot_at(then, now()).unwrap();
    let of_teams = RelationshipFilter {
        subject: Some(SubjectFilter {
            subject_type: "team".to_owned(),
            subject_id: None,
            relation: SubjectRelationFilter::Any,
        }),
        ..RelationshipFilter::default()
    };
    for filter in [RelationshipFilter::default(), of_teams] {
        for (page, rows_max) in [(13, u64::MAX), (700, u64::MAX), (999, 100), (5_000, 1_000)] {
            let context = format!("{filter:?} in pages of {page}");
            let found = read(&snapshot, &filter, page, rows_max);
            assert!(found == expected(&rows, &filter), "{context}");
            let found = read(&old, &filter, page, rows_max);
            assert!(found == expected(&before, &filter), "{context}");
        }
    }
}

#[test]
fn a_position_of_the_order_of_an_index_is_refused() {
    let store = Store::in_memory(&StoreOptions::default()).unwrap();
    put(&store, &mut Rows::new(), &["doc:a#viewer@zone:a".to_owned()]);
    let snapshot = store.snapshot(now()).unwrap();
    let (filter, budget) = (RelationshipFilter::default(), ScanBudget::unlimited());
    let (_, position) = snapshot.scan(&filter, None, 1, &budget).unwrap().rows.remove(0);
    assert!(!position.is_ordered());
    snapshot.scan_ordered(&filter, Some(&position), 1, &budget).unwrap_err();
}

#[tokio::test]
async fn relationships_are_read_and_exported_by_resource_over_the_wire() {
    let server = fresh().await;
    // The first names written are the last ones in order.
    let rows = [
        "document:b#viewer@user:ann",
        "document:a#viewer@user:bob",
        "document:a#viewer@group:g#member",
        "document:a#owner@user:zoe",
        "document:b#owner@user:ann",
    ];
    server.touch(&rows).await.unwrap();
    let expected = [rows[3], rows[2], rows[1], rows[4], rows[0]];
    let request = |optional_limit, optional_cursor| proto::ReadRelationshipsRequest {
        relationship_filter: Some(of_type("document")),
        optional_limit,
        optional_cursor,
        ..Default::default()
    };
    let all = server.read(request(0, None)).await.unwrap();
    let texts = |found: &[proto::ReadRelationshipsResponse]| {
        found.iter().map(|it| text(it.relationship.as_ref().unwrap())).collect::<Vec<_>>()
    };
    assert_eq!(texts(&all), expected);
    let first = server.read(request(2, None)).await.unwrap();
    let cursor = first[1].after_result_cursor.clone();
    assert_eq!(texts(&server.read(request(2, cursor)).await.unwrap()), expected[2..4]);

    let mut client = server.permissions().await;
    let export = proto::ExportBulkRelationshipsRequest::default();
    let mut export = client.export_bulk_relationships(export).await.unwrap().into_inner();
    let part = export.message().await.unwrap().unwrap();
    assert_eq!(part.relationships.iter().map(text).collect::<Vec<_>>(), expected);
    assert!(export.message().await.unwrap().is_none());

    let cursor = Some(proto::Cursor { token: "x".to_owned() });
    let refusal = server.read(request(2, cursor)).await.unwrap_err();
    require(&refusal, Code::InvalidArgument, "INVALID_CURSOR", &[]);
}

/// How long it takes to read everything in pages of 1,000.
fn seconds(read: &mut dyn FnMut(Option<&ScanPosition>) -> Option<ScanPosition>) -> f64 {
    let (start, mut after) = (Instant::now(), None);
    loop {
        after = read(after.as_ref());
        if after.is_none() {
            return start.elapsed().as_secs_f64();
        }
    }
}

#[test]
#[ignore = "measures, which takes 30 s; run with `cargo test --release --test it read_order -- --ignored --nocapture`"]
#[expect(clippy::print_stdout, reason = "figures are what it is for")]
fn the_cost_of_the_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(dir.path(), &StoreOptions::default()).unwrap();
    let mut rows = Vec::new();
    for n in 0..20_000 {
        for relation in 0..10 {
            rows.push(format!("doc:d{n:06}#rel{relation}@user:u{}", n % 1_000));
        }
    }
    for chunk in rows.chunks(10_000) {
        put(&store, &mut Rows::new(), chunk);
    }
    let snapshot = store.snapshot(now()).unwrap();
    let budget = ScanBudget::unlimited();
    let of = |relation: Option<&str>| RelationshipFilter {
        resource_type: Some("doc".to_owned()),
        relation: relation.map(str::to_owned),
        ..RelationshipFilter::default()
    };
    for (what, filter) in [("10 relations", of(None)), ("1 relation", of(Some("rel5")))] {
        for round in 0..3 {
            let plain =
                seconds(&mut |after| snapshot.scan(&filter, after, 1_000, &budget).unwrap().next);
            let ordered = seconds(&mut |after| {
                snapshot.scan_ordered(&filter, after, 1_000, &budget).unwrap().next
            });
            println!("{what}, round {round}: {plain:.3} s by index, {ordered:.3} s in order");
        }
    }
}
