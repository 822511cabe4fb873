//! Tests that need the inside of the store: they damage stored bytes, and compare what is on disk.

use super::handle::Store;
use super::head::HeadRecord;
use super::layout::keys::RowKey;
use super::layout::meta_keys;
use super::open::error::OpenError;
use super::options::StoreOptions;
use super::read::changelog::{ChangeLogEntry, ChangePosition};
use super::read::scan_budget::ScanBudget;
use super::rocks::column_family::ColumnFamily;
use super::rocks::source::{ReadSource, ReadTier};
use super::write::commit_group::CommitGroup;
use super::write::error::{TransactionError, WriteError};
use super::write::job::{JobKind, WriteJob};
use super::write::options::{IsInterrupted, WriteOptions};
use super::write::prepare::PrepareError;
use super::write::spill::SpillFile;
use super::write::transaction::Transaction;
use crate::relationship::{
    Context, IdPage, ReadError, RelationKey, Relationship, RelationshipFilter, RelationshipReader,
    Revision, SubjectForm, Timestamp,
};
use rocksdb::SnapshotWithThreadMode;
use std::fs;
use std::sync::Arc;
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
    let names = store.inner.names();
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
    let page = IdPage { after: None, count_max: 10 };
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
        db.put_cf(ColumnFamily::Live.handle(db).unwrap(), by_resource, broken).unwrap();
        db.put_cf(ColumnFamily::LiveBySubject.handle(db).unwrap(), by_subject, broken).unwrap();
        assert_unreadable(&store, second);
        assert_unreadable(&store, first);
    }
}

#[test]
fn a_corrupt_head_refuses_snapshots() {
    let (_dir, store) = opened();
    let db = store.db();
    db.put_cf(ColumnFamily::Meta.handle(db).unwrap(), b"head", b"\x01short").unwrap();
    store.snapshot(at(1)).unwrap_err();
}

#[test]
fn a_newer_format_in_the_database_is_refused_too() {
    let (dir, store) = opened();
    let reopened = |store: Store, format: &[u8]| {
        let db = store.db();
        db.put_cf(ColumnFamily::Meta.handle(db).unwrap(), b"format", format).unwrap();
        drop(store);
        Store::open(dir.path(), &StoreOptions::default())
    };
    let store = reopened(store, &3_u32.to_be_bytes()).unwrap();
    let error = reopened(store, &4_u32.to_be_bytes()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 4, known: 3, .. }), "{error}");
}

#[test]
fn a_database_without_a_format_is_damaged() {
    let (dir, store) = opened();
    let db = store.db();
    db.delete_cf(ColumnFamily::Meta.handle(db).unwrap(), b"format").unwrap();
    drop(store);
    let error = Store::open(dir.path(), &StoreOptions::default()).unwrap_err();
    assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
}

fn count(store: &Store, family: ColumnFamily) -> usize {
    let snapshot = SnapshotWithThreadMode::new(store.db());
    let mut cursor =
        ReadSource::snapshot(store.db(), &snapshot, ReadTier::Disk).cursor(family, &[]).unwrap();
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
    let families = [
        ColumnFamily::Deleted,
        ColumnFamily::DeletedBySubject,
        ColumnFamily::Changes,
        ColumnFamily::Expiring,
    ];
    // The expiration of a relationship that was removed after it expired is still reported to watchers.
    assert_eq!(families.map(|family| count(&store, family)), [3, 3, 7, 2]);

    let collected = store.collect_garbage(at(100)).unwrap();
    assert_eq!((collected.changes, collected.deleted, collected.expired), (7, 3, 2));
    assert_eq!(collected.schemas, 1);
    assert_eq!(families.map(|family| count(&store, family)), [0; 4]);
    assert_eq!(
        [ColumnFamily::Live, ColumnFamily::LiveBySubject].map(|family| count(&store, family)),
        [0; 2]
    );
    assert_eq!(count(&store, ColumnFamily::Schema), 1);
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
    assert_eq!((collected.changes, collected.deleted), (5000, 2500));
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
    let source = ReadSource::snapshot(store.db(), &snapshot, ReadTier::Disk);
    let mut all = Vec::new();
    for family in ColumnFamily::ALL {
        let mut cursor = source.cursor(family, &[]).unwrap();
        cursor.seek(&[]);
        while let Some((key, value)) = cursor.item().unwrap() {
            if family != ColumnFamily::Meta || !key.starts_with(b"name/") {
                all.push((key.to_vec(), value.to_vec()));
            }
            cursor.advance();
        }
    }
    all
}

/// Changes of every kind, more than two pieces hold, some rows several times.
fn change_much(transaction: &mut Transaction<'_>) -> Result<(), TransactionError> {
    transaction.set_metadata(&Context::parse(r#"{"why": "much"}"#).unwrap())?;
    transaction.set_schema("definition other {}")?;
    for round in 0..3 {
        for n in 0..9_000 {
            let row =
                |qualifiers: &str| parsed(&format!("document:d{n}#viewer@user:ann{qualifiers}"));
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
    let rows = |from: usize, step: usize, qualifiers: &'static str| {
        (from..9_000)
            .step_by(step)
            .map(move |n| format!("document:d{n}#viewer@user:ann{qualifiers}"))
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
        Err::<(), _>(TransactionError::Read(ReadError::new("no")))
    });
    assert!(
        matches!(&refused, Err(WriteError::Refused(TransactionError::Read(error))) if error.reason == "no")
    );
    assert!(dump(&store) == before);

    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        store.write_large(at(5), |transaction| -> Result<(), TransactionError> {
            change_much(transaction)?;
            panic!("a test");
        })
    }));
    panicked.unwrap_err();
    assert!(dump(&store) == before);
    drop(seen);
    // Later writes are as if it had never run.
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
        Err::<(), _>(TransactionError::Read(ReadError::new("no")))
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
    let (_dir, in_chunks) = varied();
    let (_other, at_once) = varied();
    in_chunks.write_large(at(5), change_much).unwrap();
    at_once.write(at(5), change_much).unwrap();
    let rows = |store: &Store| {
        let all = dump(store).into_iter();
        all.filter(|(key, _)| key != b"store-id").collect::<Vec<_>>()
    };
    assert!(rows(&in_chunks) == rows(&at_once));
}

/// Relationships that no store has, more than are written at once.
fn newcomers() -> Vec<Relationship> {
    let qualifiers = |n: usize| match n % 3 {
        0 => "[even:{\"a\":2}]",
        1 => "[expiration:2032-01-01T00:00:00Z]",
        _ => "",
    };
    (0..30_000)
        .map(|n| parsed(&format!("folder:f{n}#reader@group:g{n}#all{}", qualifiers(n))))
        .collect()
}

fn staged(store: &Store, relationships: &[Relationship]) -> SpillFile {
    let mut staged = store.spill_file().unwrap();
    for relationship in relationships {
        staged.add(relationship).unwrap();
    }
    staged
}

/// All rows and changes as readers see them.
fn seen(store: &Store, since: Revision) -> (Vec<Relationship>, Vec<String>) {
    let snapshot = store.snapshot(at(9)).unwrap();
    let all = RelationshipFilter::default();
    let rows = snapshot.scan_ordered(&all, None, usize::MAX, &ScanBudget::unlimited()).unwrap();
    let (mut changes, mut after) = (Vec::new(), ChangePosition::after(since));
    loop {
        let page = snapshot.changes(after, 7_000).unwrap();
        let Some((last, _)) = page.last() else { break };
        after = *last;
        changes.extend(page.into_iter().map(|(_, change)| format!("{change:?}")));
    }
    (rows.rows.into_iter().map(|(row, _)| row).collect(), changes)
}

fn patient() -> IsInterrupted {
    Arc::new(|| false)
}

#[test]
fn an_import_in_pieces_is_the_same_as_one_at_once() {
    let (_dir, in_pieces) = varied();
    let (_other, at_once) = varied();
    let before = in_pieces.snapshot(at(4)).unwrap().revision();
    let mut many = staged(&in_pieces, &newcomers());
    let mut prepared = in_pieces.prepare(at(5), &mut many, &patient()).unwrap();
    assert_eq!(in_pieces.snapshot(at(5)).unwrap().revision(), before);
    let made = in_pieces.write(at(5), move |t| t.publish(&mut prepared)).unwrap();
    assert_eq!(made.1, None);

    let mut many = staged(&at_once, &newcomers());
    at_once.write(at(5), move |t| t.create_from_spill(&mut many)).unwrap();
    assert!(seen(&in_pieces, before) == seen(&at_once, before));
}

#[test]
fn an_import_that_meets_what_exists_leaves_nothing() {
    let (_dir, store) = varied();
    let rows_of = |store: &Store| {
        let all = dump(store).into_iter();
        all.filter(|(key, _)| key != b"head" && !key.starts_with(b"name/")).collect::<Vec<_>>()
    };
    let before = rows_of(&store);
    let stored = parsed("document:d1#viewer@user:ann");
    let many: Vec<_> = newcomers().into_iter().chain([stored.clone()]).collect();
    let mut many = staged(&store, &many);
    let refused = store.prepare(at(5), &mut many, &patient()).unwrap_err();
    let PrepareError::Exists(existing) = refused else { panic!("{refused}") };
    assert_eq!((&existing.resource, &existing.subject), (&stored.resource, &stored.subject));
    while store.inner().prepared().has_unpublished() {
        std::thread::yield_now();
    }
    assert!(rows_of(&store) == before);
}

#[test]
fn a_deletion_in_pieces_is_taken_back_whole_or_collected_whole() {
    let (_dir, store) = opened();
    let later = "document:b#viewer@user:ann[expiration:2032-01-01T00:00:00Z]";
    for text in ["document:a#viewer@user:ann", later, "document:c#viewer@user:ann"] {
        put(&store, 1, text);
    }
    let rows_of = |store: &Store| {
        dump(store).into_iter().filter(|(key, _)| key != b"head").collect::<Vec<_>>()
    };
    let (before, shown) = (rows_of(&store), seen(&store, Revision(0)));
    let prepare = || {
        let mut deletion = store.prepare_deletion(at(2), &patient()).unwrap();
        for text in ["document:a#viewer@user:ann", later, "document:none#viewer@user:ann"] {
            store.add_to_deletion(&mut deletion, vec![parsed(text)], &patient()).unwrap();
        }
        deletion
    };

    let given_up = prepare();
    assert!(seen(&store, Revision(0)) == shown);
    assert!(rows_of(&store) != before);
    drop(given_up);
    while store.inner().prepared().has_unpublished() {
        std::thread::yield_now();
    }
    assert!(rows_of(&store) == before);

    let mut deletion = prepare();
    let published = store.write(at(3), move |t| t.publish_deletion(&mut deletion)).unwrap();
    assert_eq!(published.1.all, 2);
    assert_eq!(seen(&store, Revision(0)).0, [parsed("document:c#viewer@user:ann")]);
    // What was deleted and is there again keeps its own expiration.
    put(&store, 4, later);
    let collected = store.collect_garbage(at(100)).unwrap();
    assert_eq!((collected.changes, collected.deleted), (7, 2));
    let families = [
        ColumnFamily::Live,
        ColumnFamily::Deleted,
        ColumnFamily::DeletedBySubject,
        ColumnFamily::Changes,
        ColumnFamily::Expiring,
    ];
    assert_eq!(families.map(|family| count(&store, family)), [2, 0, 0, 0, 1]);
    let mut deletion = prepare();
    store.write(at(101), move |t| t.publish_deletion(&mut deletion)).unwrap();
    put(&store, 200, "document:d#viewer@user:ann");
    store.collect_garbage(at(300)).unwrap();
    assert_eq!(families.map(|family| count(&store, family)), [2, 0, 0, 0, 0]);
    assert!(store.inner().prepared().published_until(Revision(u64::MAX)).is_empty());
}

#[test]
fn what_a_crash_leaves_of_a_prepared_revision_is_removed_after_the_next_start() {
    for deletes in [false, true] {
        let (dir, store) = varied();
        // Names stay, and are not compared.
        let mut many = staged(&store, &newcomers());
        drop(store.prepare(at(5), &mut many, &patient()).unwrap());
        let rows_of = |store: &Store| {
            while store.inner().prepared().has_unpublished() {
                std::thread::yield_now();
            }
            let all = dump(store).into_iter();
            all.filter(|(key, _)| !key.starts_with(b"visible/") && key != b"head")
                .collect::<Vec<_>>()
        };
        let before = rows_of(&store);

        if deletes {
            let mut deletion = store.prepare_deletion(at(5), &patient()).unwrap();
            let rows = seen(&store, Revision(0)).0;
            store.add_to_deletion(&mut deletion, rows, &patient()).unwrap();
            std::mem::forget(deletion);
        } else {
            std::mem::forget(store.prepare(at(5), &mut many, &patient()).unwrap());
        }
        let shown = seen(&store, Revision(0));
        drop(store);
        let store = Store::open(dir.path(), &StoreOptions::default()).unwrap();
        assert!(seen(&store, Revision(0)) == shown);
        assert!(rows_of(&store) == before);
        assert!(seen(&store, Revision(0)) == shown);
    }
}

fn job(text: &str, kept: bool) -> WriteJob {
    let relationship: Relationship = text.parse().unwrap();
    let options = WriteOptions::new(Timestamp::from_unix(1, 0).unwrap());
    let work = move |transaction: &mut Transaction<'_>| {
        assert!(transaction.create(&relationship).unwrap());
        if kept { Ok(()) } else { Err(()) }
    };
    WriteJob::new(JobKind::Write, options, work, move |answer| {
        assert_eq!(answer.unwrap().is_ok(), kept);
    })
}

#[test]
fn a_refused_write_within_a_batch_takes_back_its_rows_its_names_and_its_revision() {
    let dir = TempDir::new().unwrap();
    let open = || Store::open(dir.path(), &StoreOptions::default()).unwrap();
    let store = open();
    let (inner, mut head) = (store.inner(), HeadRecord::default());
    let clock = Timestamp::from_unix(1, 0).unwrap().into();
    let mut group = CommitGroup::begin(inner, head, &clock, JobKind::Write);
    let mut replies = Vec::new();
    for (text, kept) in [
        ("document:a#viewer@user:ann", true),
        ("folder:a#parent@folder:b", false),
        ("group:a#member@robot:r2", true),
    ] {
        let reply;
        (group, reply) = group.run(job(text, kept), None);
        replies.push(reply);
    }
    group.commit(&mut head).unwrap();
    for reply in replies {
        reply(Ok(()));
    }

    assert_eq!(head.revision, Revision(1_000_000_001));
    drop(store);

    let store = open();
    let snapshot = store.snapshot(Timestamp::from_unix(1, 0).unwrap()).unwrap();
    assert_eq!(snapshot.revision(), head.revision);
    let rows = snapshot
        .scan(&RelationshipFilter::default(), None, 9, &ScanBudget::unlimited())
        .unwrap()
        .rows;
    let rows: Vec<_> = rows.into_iter().map(|(row, _)| row.to_string()).collect();
    assert_eq!(rows, ["document:a#viewer@user:ann", "group:a#member@robot:r2"]);
}

/// The writers in the change log, in its order.
fn writers(store: &Store) -> Vec<String> {
    let snapshot = store.snapshot(at(100)).unwrap();
    let changes = snapshot.changes(ChangePosition::after(Revision(0)), 1_000).unwrap();
    let name = |change| match change {
        ChangeLogEntry::Writer(name) => Some(name.to_string()),
        ChangeLogEntry::Relationship(_) | ChangeLogEntry::Schema | ChangeLogEntry::Metadata(_) => {
            None
        }
    };
    changes.into_iter().filter_map(|(_, change)| name(change)).collect()
}

fn write_as(store: &Store, writer: &str, is_large: bool, texts: Vec<String>, keep: bool) {
    let options = WriteOptions::new(at(5)).by(Some(writer.into()));
    let options = if is_large { options.large() } else { options };
    let (reply, answer) = std::sync::mpsc::channel();
    let work = move |transaction: &mut Transaction<'_>| {
        for text in texts {
            transaction.put(&parsed(&text))?;
        }
        if keep { Ok(()) } else { Err(TransactionError::Interrupted) }
    };
    store.submit(options, work, move |outcome| {
        reply.send(outcome.unwrap().is_ok()).unwrap();
    });
    assert_eq!(answer.recv().unwrap(), keep);
}

#[test]
fn a_write_has_one_writer_which_goes_with_it() {
    let (_dir, store) = opened();
    let texts = |count: usize| {
        (0..count).map(|number| format!("document:{number}#viewer@user:ann")).collect::<Vec<_>>()
    };
    let long = "\u{e9}".repeat(600);
    write_as(&store, "none of it is kept", false, texts(3), false);
    write_as(&store, "nor of this", true, texts(25_000), false);
    assert_eq!(writers(&store), Vec::<String>::new());
    write_as(&store, "ann", false, texts(3), true);
    write_as(&store, "it changes nothing", false, texts(3), true);
    write_as(&store, &long, false, vec!["document:x#viewer@user:ann".to_owned()], true);
    assert_eq!(writers(&store), ["ann", &long[..1_024]]);
    // It is collected as other entries are.
    put(&store, 50, "document:y#viewer@user:ann");
    store.collect_garbage(at(100)).unwrap();
    assert_eq!(writers(&store), Vec::<String>::new());
}

#[test]
fn a_folder_of_an_older_format_gets_the_present_one() {
    for older in [1_u32, 2] {
        let (dir, store) = opened();
        put(&store, 1, RELATIONSHIP);
        // As the programs before wrote it: without writers, and without prepared revisions.
        let meta = ColumnFamily::Meta.handle(store.db()).unwrap();
        store.db().put_cf(meta, meta_keys::FORMAT, older.to_be_bytes()).unwrap();
        drop(store);
        let marker = dir.path().join("KILWA");
        let text = fs::read_to_string(&marker).unwrap();
        fs::write(&marker, text.replace("format 3", &format!("format {older}"))).unwrap();

        let reopened = || Store::open(dir.path(), &StoreOptions::default()).unwrap();
        let store = reopened();
        assert_eq!(writers(&store), Vec::<String>::new());
        let since = ChangePosition::after(Revision(0));
        assert_eq!(store.snapshot(at(2)).unwrap().changes(since, 9).unwrap().len(), 1);
        assert_eq!(fs::read_to_string(&marker).unwrap(), text);
        let meta = ColumnFamily::Meta.handle(store.db()).unwrap();
        let format = store.db().get_cf(meta, meta_keys::FORMAT).unwrap();
        assert_eq!(format, Some(3_u32.to_be_bytes().to_vec()));

        write_as(&store, "ann", false, vec!["document:x#viewer@user:ann".to_owned()], true);
        let mut many = staged(&store, &newcomers());
        let mut prepared = store.prepare(at(5), &mut many, &patient()).unwrap();
        store.write(at(5), move |t| t.publish(&mut prepared)).unwrap();
        let before = seen(&store, Revision(0));
        drop(store);
        let store = reopened();
        assert_eq!(writers(&store), ["ann"]);
        assert!(seen(&store, Revision(0)) == before);
        assert_eq!(before.0.len(), newcomers().len() + 2);
    }
}
