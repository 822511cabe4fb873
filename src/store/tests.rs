//! What only the room itself can do: break stored bytes, and look at what is left on disk.

use super::keys::RowKey;
use super::rocks::{Family, Reach, Source};
use super::{
    ChangePosition, OpenError, ScanBudget, Staged, Store, StoreOptions, Transaction, WriteError,
};
use crate::relationship::{
    Context, Page, ReadError, RelationKey, Relationship, RelationshipFilter, RelationshipReader,
    Revision, SubjectForm, Timestamp,
};
use rocksdb::SnapshotWithThreadMode;
use std::time::Duration;
use tempfile::TempDir;

const RELATIONSHIP: &str =
    "document:plan#viewer@user:ann[odd:{\"a\":1}][expiration:2030-01-01T00:00:00Z]";

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(second, 0).unwrap()
}

fn parsed(text: &str) -> Relationship {
    text.parse().unwrap()
}

fn opened() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let options = StoreOptions { history_window: Duration::from_secs(10), ..Default::default() };
    let store = Store::open(dir.path(), &options).unwrap();
    (dir, store)
}

fn put(store: &Store, second: i64, text: &str) -> Revision {
    let relationship = parsed(text);
    store.write(at(second), move |transaction| transaction.put(&relationship)).unwrap().0
}

fn remove(store: &Store, second: i64, text: &str) -> Revision {
    let relationship = parsed(text);
    store.write(at(second), move |transaction| transaction.remove(&relationship)).unwrap().0
}

fn row(store: &Store) -> (Vec<u8>, Vec<u8>) {
    let relationship = parsed(RELATIONSHIP);
    let names = store.names();
    let id = |name| names.find(name).unwrap();
    let row = RowKey {
        resource_type: id("document"),
        relation: id("viewer"),
        resource_id: relationship.resource.object_id(),
        subject_type: id("user"),
        subject_relation: None,
        subject_id: relationship.subject.object_id(),
    };
    (row.by_resource(), row.by_subject())
}

/// Every way to read the relationship fails.
fn assert_unreadable(store: &Store, at_revision: Revision) {
    let relationship = parsed(RELATIONSHIP);
    let (resource, subject) = (relationship.resource_key(), relationship.subject.key());
    let form = SubjectForm { object_type: "user", relation: None };
    let relation = RelationKey { object_type: "document", relation: "viewer" };
    let page = Page { after: None, count_max: 10 };
    let snapshot = store.snapshot_at(at_revision, at(9)).unwrap();
    snapshot.find(resource, subject).unwrap_err();
    snapshot.subjects(resource, form, page).unwrap_err();
    snapshot.resources(relation, subject, page).unwrap_err();
    snapshot.scan(&RelationshipFilter::default(), None, 10, &ScanBudget::unlimited()).unwrap_err();
}

#[test]
fn corrupt_rows_are_errors_and_never_absent() {
    for broken in [
        b"".as_slice(),
        b"\x01",
        b"\x09junk",
        b"\x01\0\0\0\0\0\0\0\x01\xff",
        b"\x01\0\0\0\0\0\0\0\x01\x01\0\0\0\x63{}",
    ] {
        let (_dir, store) = opened();
        let first = put(&store, 1, RELATIONSHIP);
        let second = put(&store, 2, "document:other#viewer@user:bob");
        let (by_resource, by_subject) = row(&store);
        let db = store.db();
        db.put_cf(Family::Live.of(db).unwrap(), by_resource, broken).unwrap();
        db.put_cf(Family::LiveBySubject.of(db).unwrap(), by_subject, broken).unwrap();
        assert_unreadable(&store, second);
        assert_unreadable(&store, first);
    }
}

#[test]
fn a_corrupt_head_refuses_snapshots() {
    let (_dir, store) = opened();
    let db = store.db();
    db.put_cf(Family::Meta.of(db).unwrap(), b"head", b"\x01short").unwrap();
    store.snapshot(at(1)).unwrap_err();
}

#[test]
fn a_newer_format_in_the_database_is_refused_too() {
    let (dir, store) = opened();
    let reopened = |store: Store, format: &[u8]| {
        let db = store.db();
        db.put_cf(Family::Meta.of(db).unwrap(), b"format", format).unwrap();
        drop(store);
        Store::open(dir.path(), &StoreOptions::default())
    };
    let store = reopened(store, &1_u32.to_be_bytes()).unwrap();
    let error = reopened(store, &2_u32.to_be_bytes()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 2, known: 1, .. }), "{error}");
}

#[test]
fn a_database_without_a_format_is_damaged() {
    let (dir, store) = opened();
    let db = store.db();
    db.delete_cf(Family::Meta.of(db).unwrap(), b"format").unwrap();
    drop(store);
    let error = Store::open(dir.path(), &StoreOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

fn count(store: &Store, family: Family) -> usize {
    let snapshot = SnapshotWithThreadMode::new(store.db());
    let mut cursor =
        Source::snapshot(store.db(), &snapshot, Reach::Disk).cursor(family, &[]).unwrap();
    cursor.seek(&[]);
    std::iter::from_fn(|| {
        let found = cursor.item().unwrap().map(|_| ());
        cursor.advance();
        found
    })
    .count()
}

#[test]
fn collection_leaves_nothing_behind() {
    let (_dir, store) = opened();
    for (second, text) in [
        (1, "document:a#viewer@user:ann"),
        (2, "document:a#viewer@user:ann[odd]"),
        (3, "document:a#viewer@user:ann[expiration:1970-01-01T00:00:04Z]"),
        (4, "document:b#viewer@user:ann[expiration:1970-01-01T00:00:05Z]"),
    ] {
        put(&store, second, text);
    }
    remove(&store, 5, "document:b#viewer@user:ann");
    for text in ["definition user {}", "definition user {} // again"] {
        store.write(at(6), move |transaction| transaction.set_schema(text)).unwrap();
    }
    let families = [Family::Dead, Family::DeadBySubject, Family::Changes, Family::Expiring];
    // The expiration of what was removed after it is still told to those who follow.
    assert_eq!(families.map(|family| count(&store, family)), [3, 3, 7, 2]);
    let collected = store.collect_garbage(at(100)).unwrap();
    assert_eq!((collected.changes, collected.dead, collected.expired), (7, 3, 2));
    assert_eq!(collected.schemas, 1);
    assert_eq!(families.map(|family| count(&store, family)), [0; 4]);
    assert_eq!([Family::Live, Family::LiveBySubject].map(|family| count(&store, family)), [0; 2]);
    assert_eq!(count(&store, Family::Schema), 1);
    let snapshot = store.snapshot(at(100)).unwrap();
    assert_eq!(snapshot.schema().unwrap().unwrap().text.as_ref(), "definition user {} // again");
    assert_eq!(snapshot.oldest_revision(), snapshot.revision());
    let changes = snapshot.changes(ChangePosition::after(snapshot.oldest_revision()), 10).unwrap();
    assert_eq!(changes, []);
}

#[test]
fn collection_in_many_batches_spares_what_readers_hold() {
    let (_dir, store) = opened();
    let texts: Vec<_> = (0..2500).map(|n| format!("document:d{n}#viewer@user:ann")).collect();
    let all: Vec<_> = texts.iter().map(|text| parsed(text)).collect();
    let (puts, removes) = (all.clone(), all);
    store.write(at(1), move |tx| puts.iter().try_for_each(|one| tx.put(one).map(drop))).unwrap();
    let old = store.snapshot(at(1)).unwrap();
    let (gone, ()) = store
        .write(at(2), move |tx| removes.iter().try_for_each(|one| tx.remove(one).map(drop)))
        .unwrap();
    let older = store.snapshot_at(old.revision(), at(2)).unwrap();
    let collected = store.collect_garbage(at(100)).unwrap();
    assert_eq!((collected.changes, collected.dead), (5000, 2500));
    let everything = RelationshipFilter::default();
    assert_eq!(
        old.scan(&everything, None, 9999, &ScanBudget::unlimited()).unwrap().rows.len(),
        2500
    );
    assert_eq!(
        older.scan(&everything, None, 9999, &ScanBudget::unlimited()).unwrap().rows.len(),
        2500
    );
    assert_eq!(
        store
            .snapshot_at(gone, at(100))
            .unwrap()
            .scan(&everything, None, 9, &ScanBudget::unlimited())
            .unwrap()
            .rows
            .len(),
        0
    );
    store.snapshot_at(old.revision(), at(100)).unwrap_err();
}

/// Everything that is stored, but for the names, which stay.
fn dump(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    let snapshot = SnapshotWithThreadMode::new(store.db());
    let source = Source::snapshot(store.db(), &snapshot, Reach::Disk);
    let mut all = Vec::new();
    for family in Family::ALL {
        let mut cursor = source.cursor(family, &[]).unwrap();
        cursor.seek(&[]);
        while let Some((key, value)) = cursor.item().unwrap() {
            if family != Family::Meta || !key.starts_with(b"name/") {
                all.push((key.to_vec(), value.to_vec()));
            }
            cursor.advance();
        }
    }
    all
}

/// Changes of every kind, more than two pieces hold, some rows several times.
fn change_much(transaction: &mut Transaction<'_>) -> Result<(), ReadError> {
    transaction.set_metadata(&Context::parse(r#"{"why": "much"}"#).unwrap())?;
    transaction.set_schema("definition other {}")?;
    for round in 0..3 {
        for n in 0..9_000 {
            let row = |terms: &str| parsed(&format!("document:d{n}#viewer@user:ann{terms}"));
            match (n + round) % 5 {
                0 => transaction.remove(&row("")).map(drop)?,
                1 => transaction.create(&row("[odd:{\"a\":2}]")).map(drop)?,
                2 => transaction.put(&row("[expiration:2031-01-01T00:00:00Z]")).map(drop)?,
                3 => transaction.put(&row(&format!("[odd:{{\"a\":{round}}}]"))).map(drop)?,
                _ => {}
            }
        }
    }
    Ok(())
}

/// A store in which rows of every kind live and have died.
fn varied() -> (TempDir, Store) {
    let (dir, store) = opened();
    let rows = |from: usize, step: usize, terms: &'static str| {
        (from..9_000).step_by(step).map(move |n| format!("document:d{n}#viewer@user:ann{terms}"))
    };
    let first: Vec<_> =
        rows(0, 2, "").chain(rows(1, 6, "[expiration:2030-01-01T00:00:00Z]")).collect();
    let second: Vec<_> = rows(0, 4, "[odd:{\"a\":1}]").collect();
    let third: Vec<_> = rows(2, 14, "").collect();
    for (second, texts, keep) in [(1, first, true), (2, second, true), (3, third, false)] {
        store
            .write(at(second), move |transaction| {
                texts.iter().try_for_each(|text| {
                    let row = parsed(text);
                    let done = if keep { transaction.put(&row) } else { transaction.remove(&row) };
                    done.map(drop)
                })
            })
            .unwrap();
    }
    (dir, store)
}

#[test]
fn a_large_write_that_is_refused_leaves_every_byte_as_it_was() {
    let (dir, store) = varied();
    let before = dump(&store);
    let seen = store.snapshot(at(4)).unwrap();
    let refused = store.write_large(at(5), |transaction| {
        change_much(transaction)?;
        Err::<(), _>(ReadError::new("no"))
    });
    assert!(
        matches!(refused, Err(WriteError::Refused(ReadError { reason, .. })) if reason == "no")
    );
    assert!(dump(&store) == before);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.write_large(at(5), |transaction| -> Result<(), ReadError> {
            change_much(transaction)?;
            panic!("a test");
        })
    }));
    panicked.unwrap_err();
    assert!(dump(&store) == before);
    drop(seen);
    // What is written after it is as if it had not been.
    put(&store, 6, RELATIONSHIP);
    let after = dump(&store);
    drop(store);
    let store = Store::open(dir.path(), &StoreOptions::default()).unwrap();
    assert!(dump(&store) == after);
}

#[test]
fn a_name_of_a_large_write_that_was_refused_is_stored_with_its_next_use() {
    const LATE: &str = "late_type:a#late_relation@user:ann";
    let (dir, store) = varied();
    let refused = store.write_large(at(5), |transaction| {
        change_much(transaction)?;
        transaction.put(&parsed(LATE))?;
        Err::<(), _>(ReadError::new("no"))
    });
    refused.unwrap_err();
    put(&store, 6, LATE);
    drop(store);

    let store = Store::open(dir.path(), &StoreOptions::default()).unwrap();
    let (snapshot, late) = (store.snapshot(at(7)).unwrap(), parsed(LATE));
    assert!(snapshot.find(late.resource_key(), late.subject.key()).unwrap().is_some());
}

#[test]
fn a_large_write_is_the_same_as_one_at_once() {
    let (_dir, in_pieces) = varied();
    let (_other, at_once) = varied();
    in_pieces.write_large(at(5), change_much).unwrap();
    at_once.write(at(5), change_much).unwrap();
    let rows = |store: &Store| {
        let all = dump(store).into_iter();
        all.filter(|(key, _)| key != b"store-id").collect::<Vec<_>>()
    };
    assert!(rows(&in_pieces) == rows(&at_once));
}

/// Relationships that no store has, more than are written at once.
fn newcomers() -> Vec<Relationship> {
    let terms = |n: usize| match n % 3 {
        0 => "[even:{\"a\":2}]",
        1 => "[expiration:2032-01-01T00:00:00Z]",
        _ => "",
    };
    (0..30_000).map(|n| parsed(&format!("folder:f{n}#reader@group:g{n}#all{}", terms(n)))).collect()
}

fn staged(store: &Store, relationships: &[Relationship]) -> Staged {
    let mut staged = store.stage().unwrap();
    for relationship in relationships {
        staged.add(relationship).unwrap();
    }
    staged
}

#[test]
fn an_import_in_pieces_is_the_same_as_one_at_once() {
    let (_dir, in_pieces) = varied();
    let (_other, at_once) = varied();
    let mut many = staged(&in_pieces, &newcomers());
    let made = in_pieces.write_large(at(5), move |t| t.create_staged(&mut many)).unwrap();
    assert_eq!(made.1, None);
    let mut many = staged(&at_once, &newcomers());
    at_once.write(at(5), move |t| t.create_staged(&mut many)).unwrap();
    let rows = |store: &Store| {
        let all = dump(store).into_iter();
        all.filter(|(key, _)| key != b"store-id").collect::<Vec<_>>()
    };
    assert!(rows(&in_pieces) == rows(&at_once));
}

#[test]
fn an_import_that_meets_what_exists_leaves_every_byte_as_it_was() {
    let (_dir, store) = varied();
    let before = dump(&store);
    let stored = parsed("document:d1#viewer@user:ann");
    let many = newcomers();
    for last in [stored, many[0].clone(), many[29_999].clone()] {
        let mut rows = many.clone();
        rows.push(last.clone());
        let mut rows = staged(&store, &rows);
        let refused = store.write_large(at(5), move |transaction| {
            match transaction.create_staged(&mut rows)? {
                Some(existing) => Err(ReadError::new(existing)),
                None => Ok(()),
            }
        });
        let Err(WriteError::Refused(error)) = refused else { panic!("{refused:?}") };
        assert_eq!(error.reason, last.to_string());
        assert!(dump(&store) == before);
    }
}
