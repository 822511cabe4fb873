//! The store through its handle: folders it refuses, concurrent writers, and their results.

use kilwa::relationship::{Relationship, RelationshipFilter, Revision, Timestamp};
use kilwa::store::{
    IsInterrupted, OpenError, ScanBudget, SnapshotError, Store, StoreOptions, Transaction,
    TransactionError, WriteClock, WriteError, WriteOptions,
};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;
use tempfile::TempDir;

fn at(second: i64) -> Timestamp {
    Timestamp::from_unix(second, 0).unwrap()
}

fn relationship(text: &str) -> Relationship {
    text.parse().unwrap()
}

fn open(dir: &Path) -> Result<Store, OpenError> {
    Store::open(dir, &StoreOptions { block_cache_bytes: 1 << 20, ..StoreOptions::default() })
}

fn opened() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    (dir, store)
}

fn put(store: &Store, second: i64, text: &str) -> Revision {
    let relationship = relationship(text);
    store.write(at(second), move |transaction| transaction.put(&relationship)).unwrap().0
}

fn all(store: &Store) -> Vec<String> {
    let rows = store.snapshot(at(1)).unwrap().scan(
        &RelationshipFilter::default(),
        None,
        10_000,
        &ScanBudget::unlimited(),
    );
    rows.unwrap().rows.into_iter().map(|(relationship, _)| relationship.to_string()).collect()
}

#[test]
fn a_new_folder_becomes_a_store_that_keeps_its_id_and_its_content() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("made/on/the/way");
    let store = open(&path).unwrap();
    let id = store.id();
    assert_eq!(store.snapshot(at(1)).unwrap().revision(), Revision(0));
    assert_eq!(store.snapshot(at(1)).unwrap().schema().unwrap(), None);
    let revision = put(&store, 1, "document:plan#viewer@user:ann");
    drop(store);
    let store = open(&path).unwrap();
    assert_eq!(store.id(), id);
    assert_eq!(store.snapshot(at(1)).unwrap().revision(), revision);
    assert_eq!(all(&store), ["document:plan#viewer@user:ann"]);
    assert_ne!(opened().1.id(), id);
}

#[test]
fn a_second_store_in_a_folder_is_refused() {
    let (dir, _store) = opened();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(&error, OpenError::Locked { path } if path == dir.path()), "{error}");
    assert!(error.to_string().contains("is in use: stop the other server"), "{error}");
}

#[test]
fn a_folder_with_other_files_is_refused_and_left_alone() {
    let dir = TempDir::new().unwrap();
    fs::write(dir.path().join("notes.txt"), "mine").unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::Foreign { .. }), "{error}");
    assert!(error.to_string().contains("holds files but is no data folder"), "{error}");
    assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
}

#[test]
fn a_fresh_volume_is_a_new_folder() {
    let dir = TempDir::new().unwrap();
    fs::create_dir(dir.path().join("lost+found")).unwrap();
    open(dir.path()).unwrap();
}

#[test]
fn a_file_in_place_of_the_folder_is_refused() {
    let dir = TempDir::new().unwrap();
    let path = dir.path().join("file");
    fs::write(&path, "").unwrap();
    assert!(matches!(open(&path).unwrap_err(), OpenError::Io { .. }));
}

#[test]
fn a_newer_format_is_refused_with_both_versions() {
    let (dir, store) = opened();
    drop(store);
    fs::write(dir.path().join("KILWA"), "kilwa data folder, format 7\n").unwrap();
    let error = open(dir.path()).unwrap_err();
    assert!(matches!(error, OpenError::Newer { found: 7, known: 3, .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("has format 7, and this program knows formats up to 3"), "{text}");
    fs::write(dir.path().join("KILWA"), "what?").unwrap();
    assert!(matches!(open(dir.path()).unwrap_err(), OpenError::Damaged { .. }));
}

#[test]
fn damaged_files_are_errors() {
    let (dir, store) = opened();
    put(&store, 1, "document:plan#viewer@user:ann");
    drop(store);
    let manifest =
        fs::read_dir(dir.path().join("rocksdb")).unwrap().map(|entry| entry.unwrap().path());
    let manifest =
        manifest.filter(|path| path.to_string_lossy().contains("MANIFEST")).max().unwrap();
    fs::write(manifest, b"nothing of use").unwrap();
    open(dir.path()).unwrap_err();
}

#[test]
fn revisions_follow_the_clock_and_never_go_back() {
    let (dir, store) = opened();
    let first = put(&store, 100, "document:a#viewer@user:ann");
    assert_eq!(first, Revision(100_000_000_000));
    let second = put(&store, 50, "document:b#viewer@user:ann");
    assert_eq!(second, Revision(first.0 + 1));
    drop(store);
    let store = open(dir.path()).unwrap();
    let third = put(&store, 1, "document:c#viewer@user:ann");
    assert_eq!(third, Revision(first.0 + 2));
    let far = Timestamp::parse("9999-12-31T23:59:59Z").unwrap();
    let (fourth, ()) = store.write(far, |_| Ok::<_, TransactionError>(())).unwrap();
    let (fifth, ()) = store.write(far, |_| Ok::<_, TransactionError>(())).unwrap();
    assert!(third < fourth && fourth < fifth);
}

#[test]
fn a_refused_write_leaves_nothing_behind() {
    let (dir, store) = opened();
    let before = put(&store, 1, "document:a#viewer@user:ann");
    let refused = store.write(at(2), |transaction| {
        transaction.put(&relationship("folder:x#parent@folder:y")).unwrap();
        transaction.remove(&relationship("document:a#viewer@user:ann")).unwrap();
        transaction.set_schema("definition user {}").unwrap();
        Err::<(), _>("no")
    });
    assert!(matches!(refused, Err(WriteError::Refused("no"))));
    let snapshot = store.snapshot(at(2)).unwrap();
    assert_eq!(snapshot.revision(), before);
    assert_eq!(snapshot.schema().unwrap(), None);
    assert_eq!(all(&store), ["document:a#viewer@user:ann"]);
    // The names that the refused write brought along are given anew, and hold.
    drop(snapshot);
    put(&store, 3, "group:g#member@user:ann");
    drop(store);
    let store = open(dir.path()).unwrap();
    assert_eq!(all(&store), ["document:a#viewer@user:ann", "group:g#member@user:ann"]);
}

#[test]
fn a_write_that_panics_leaves_nothing_behind_and_the_store_goes_on() {
    let (_dir, store) = opened();
    let caught = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _ = store.write(at(1), |transaction| -> Result<(), TransactionError> {
            transaction.put(&relationship("document:a#viewer@user:ann"))?;
            panic!("as planned");
        });
    }));
    assert_eq!(caught.unwrap_err().downcast_ref(), Some(&"as planned"));
    put(&store, 2, "document:b#viewer@user:ann");
    assert_eq!(all(&store), ["document:b#viewer@user:ann"]);
}

#[test]
fn a_write_sees_what_it_and_earlier_ones_did() {
    let (_dir, store) = opened();
    let found = store.write(at(1), |transaction| {
        let (ann, bob) =
            (relationship("doc:a#viewer@user:ann"), relationship("doc:a#viewer@user:bob"));
        assert!(transaction.create(&ann)?);
        assert!(!transaction.create(&ann)?);
        transaction.put(&bob)?;
        assert!(transaction.remove(&ann)?);
        assert!(!transaction.remove(&ann)?);
        let everything = RelationshipFilter::default();
        Ok::<_, TransactionError>(transaction.scan(
            &everything,
            None,
            10,
            &ScanBudget::unlimited(),
        )?)
    });
    let found = found.unwrap().1.rows.into_iter().map(|(relationship, _)| relationship.to_string());
    assert_eq!(found.collect::<Vec<_>>(), ["doc:a#viewer@user:bob"]);
}

#[test]
fn revisions_outside_the_history_are_refused_by_name() {
    let (_dir, store) = opened();
    let old = put(&store, 1, "document:a#viewer@user:ann");
    let new = put(&store, 200_000, "document:b#viewer@user:ann");
    store.snapshot_at(old, at(1)).unwrap();
    store.collect_garbage(at(300_000)).unwrap();
    let error = store.snapshot_at(old, at(1)).unwrap_err();
    assert!(
        matches!(error, SnapshotError::Expired { revision, oldest } if revision == old && oldest == new)
    );
    store.snapshot_at(new, at(1)).unwrap();
    let future = Revision(new.0 + 1);
    let error = store.snapshot_at(future, at(1)).unwrap_err();
    assert!(
        matches!(error, SnapshotError::Future { revision, newest } if revision == future && newest == new)
    );
}

#[test]
fn a_held_revision_outlives_the_window() {
    let (_dir, store) = opened();
    let old = put(&store, 1, "document:a#viewer@user:ann");
    let held = [store.pin(old), store.pin(old)];
    let rest = store.write(at(2), |transaction| {
        transaction.remove(&relationship("document:a#viewer@user:ann"))
    });
    let (new, _) = rest.unwrap();
    let rows = |revision| {
        let snapshot = store.snapshot_at(revision, at(300_000));
        snapshot.map(|it| {
            it.scan(&RelationshipFilter::default(), None, 9, &ScanBudget::unlimited())
                .unwrap()
                .rows
                .len()
        })
    };
    let [first, second] = held;
    drop(first);
    assert_eq!(store.collect_garbage(at(300_000)).unwrap().deleted, 0);
    assert_eq!((rows(old).unwrap(), rows(new).unwrap()), (1, 0));
    drop(second);
    assert_eq!(store.collect_garbage(at(300_000)).unwrap().deleted, 1);
    assert!(matches!(rows(old).unwrap_err(), SnapshotError::Expired { .. }));
}

#[test]
fn a_position_of_another_filter_is_refused() {
    let (_dir, store) = opened();
    put(&store, 1, "document:a#viewer@user:ann");
    let snapshot = store.snapshot(at(1)).unwrap();
    let (_, position) = snapshot
        .scan(&RelationshipFilter::default(), None, 1, &ScanBudget::unlimited())
        .unwrap()
        .rows
        .remove(0);
    let by_subject = kilwa::relationship::SubjectFilter {
        subject_type: "user".to_owned(),
        subject_id: Some("ann".to_owned()),
        relation: kilwa::relationship::SubjectRelationFilter::Any,
    };
    let filter = RelationshipFilter { subject: Some(by_subject), ..RelationshipFilter::default() };
    snapshot.scan(&filter, Some(&position), 1, &ScanBudget::unlimited()).unwrap_err();
    kilwa::store::ScanPosition::from_bytes(b"\x01anything").unwrap_err();
}

#[test]
fn commits_ring_the_bell_with_rising_revisions() {
    let (_dir, store) = opened();
    let (bell, rung) = mpsc::channel();
    store.on_commit(move |revision| bell.send(revision).unwrap());
    let first = put(&store, 1, "document:a#viewer@user:ann");
    let second = put(&store, 1, "document:a#viewer@user:ann");
    assert_eq!([rung.recv().unwrap(), rung.recv().unwrap()], [first, second]);
}

/// Writers that each replace one marker by the next, always in pairs, while readers look on.
#[test]
fn writers_get_rising_revisions_and_readers_see_whole_writes() {
    const WRITERS: u64 = 8;
    const WRITES: u64 = 40;
    let (_dir, store) = opened();
    let (done, reads) = (AtomicBool::new(false), AtomicU64::new(0));
    let bells = Arc::new(AtomicU64::new(0));
    let rung = Arc::clone(&bells);
    store.on_commit(move |_| {
        rung.fetch_add(1, Ordering::Relaxed);
    });
    let mut revisions = BTreeSet::new();
    std::thread::scope(|scope| {
        let readers: Vec<_> = (0..2)
            .map(|_| {
                scope.spawn(|| {
                    while !done.load(Ordering::Relaxed) {
                        assert_pairs(&store);
                        reads.fetch_add(1, Ordering::Relaxed);
                    }
                })
            })
            .collect();
        let store = &store;
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                scope.spawn(move || (0..WRITES).map(|n| swap(store, writer, n)).collect())
            })
            .collect();
        for writer in writers {
            let own: Vec<Revision> = writer.join().unwrap();
            assert!(own.is_sorted_by(|a, b| a < b));
            revisions.extend(own);
        }
        done.store(true, Ordering::Relaxed);
        for reader in readers {
            reader.join().unwrap();
        }
    });
    assert_eq!(u64::try_from(revisions.len()).unwrap(), WRITERS * WRITES);
    assert!(reads.load(Ordering::Relaxed) > 0);
    assert!(bells.load(Ordering::Relaxed) < WRITERS * WRITES, "no two writes shared a commit");
    assert_pairs(&store);
}

fn swap(store: &Store, writer: u64, number: u64) -> Revision {
    let pair = move |number| {
        ["left", "right"]
            .map(|side| relationship(&format!("pair:{side}#holds@user:w{writer}n{number}")))
    };
    let result = store.write(at(1), move |transaction| {
        for new in pair(number) {
            assert!(transaction.create(&new)?);
        }
        for old in number.checked_sub(1).into_iter().flat_map(pair) {
            assert!(transaction.remove(&old)?);
        }
        Ok::<_, TransactionError>(())
    });
    let (revision, ()) = result.unwrap();
    let snapshot = store.snapshot(at(1)).unwrap();
    assert!(snapshot.revision() >= revision, "a write is visible once it is acknowledged");
    revision
}

fn assert_pairs(store: &Store) {
    let snapshot = store.snapshot(at(1)).unwrap();
    let snapshot = store.snapshot_at(snapshot.revision(), at(1)).unwrap();
    let rows = snapshot
        .scan(&RelationshipFilter::default(), None, 10_000, &ScanBudget::unlimited())
        .unwrap()
        .rows;
    let subjects = |side| {
        let rows = rows.iter().filter(move |(one, _)| one.resource.object_id() == side);
        rows.map(|(one, _)| one.subject.to_string()).collect::<BTreeSet<_>>()
    };
    assert_eq!(subjects("left"), subjects("right"), "half a write is visible");
}

/// How many commits it takes to make writes that wait together, by a clock on which so many milliseconds pass between two
/// looks.
fn commits(look_millis: u64) -> usize {
    const WRITES: usize = 20;
    let (_dir, store) = opened();
    let commits = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&commits);
    store.on_commit(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let looks = AtomicU64::new(0);
    let elapsed = move || Duration::from_millis(look_millis * looks.fetch_add(1, Ordering::SeqCst));
    let clock = WriteClock::new(|| at(1), elapsed);
    let (answer, answers) = mpsc::channel();
    let submit = |work: Box<dyn FnOnce() + Send>| {
        let answer = answer.clone();
        let work = move |_: &mut Transaction<'_>| {
            work();
            Ok::<_, TransactionError>(())
        };
        store.submit(WriteOptions::new(&clock), work, move |made| {
            answer.send(made.unwrap().is_ok()).unwrap();
        });
    };

    // The first one keeps the writer until the others wait.
    let (go, goes) = mpsc::channel();
    submit(Box::new(move || goes.recv().unwrap()));
    (0..WRITES).for_each(|_| submit(Box::new(|| {})));
    go.send(()).unwrap();
    assert!(answers.iter().take(WRITES + 1).all(|is_made| is_made));
    commits.load(Ordering::SeqCst)
}

#[test]
fn writes_that_wait_are_committed_together_but_for_slow_ones() {
    assert_eq!(commits(0), 1);
    assert_eq!(commits(10), 21, "each takes longer than a batch may");
}

/// A revision in pages whose budget ends after every row, so also between two versions of one relationship.
fn row_by_row(store: &Store, revision: Revision) -> Vec<String> {
    let (snapshot, mut after) = (store.snapshot_at(revision, at(1)).unwrap(), None);
    let mut found = Vec::new();
    loop {
        let budget = ScanBudget::unlimited().with_rows_max(1);
        let filter = RelationshipFilter::default();
        let page = snapshot.scan(&filter, after.as_ref(), 10, &budget).unwrap();
        found.extend(page.rows.iter().map(|(row, _)| row.to_string()));
        after = page.next;
        if after.is_none() {
            return found;
        }
    }
}

/// Relationships whose older versions lie among the deleted ones are marked for a deletion, and one is changed meanwhile.
#[test]
fn a_marked_relationship_is_read_beside_its_older_versions_and_stays_when_it_is_changed() {
    let (_dir, store) = opened();
    let day = |day: &str| format!("document:a#viewer@user:ann[only_on:{{\"day\":\"{day}\"}}]");
    let other = "document:b#viewer@user:ann";
    put(&store, 1, other);
    put(&store, 2, &day("mon"));
    let tuesday = put(&store, 3, &day("tue"));
    let patient: IsInterrupted = Arc::new(|| false);
    let mut deletion = store.prepare_deletion(at(4), &patient).unwrap();
    let rows = vec![relationship(&day("tue")), relationship(other)];
    store.add_to_deletion(&mut deletion, rows, &patient).unwrap();
    assert_eq!(row_by_row(&store, tuesday), [day("tue"), other.to_owned()]);

    let wednesday = put(&store, 5, &day("wed"));
    let (deleted, counts) =
        store.write(at(6), move |transaction| transaction.publish_deletion(&mut deletion)).unwrap();
    // What was changed since is no part of it.
    assert_eq!(counts.all, 1);
    assert_eq!(row_by_row(&store, deleted), [day("wed")]);
    assert_eq!(row_by_row(&store, wednesday), [day("wed"), other.to_owned()]);
    assert_eq!(row_by_row(&store, tuesday), [day("tue"), other.to_owned()]);
}

#[test]
fn of_a_deletion_in_pieces_only_the_end_waits_for_the_disk() {
    let dir = TempDir::new().unwrap();
    let options =
        StoreOptions { block_cache_bytes: 1 << 20, counters: true, ..StoreOptions::default() };
    let store = Store::open(dir.path(), &options).unwrap();
    let rows: Vec<_> =
        (0..20).map(|n| relationship(&format!("document:{n}#viewer@user:ann"))).collect();
    for row in rows.clone() {
        store.write(at(1), move |transaction| transaction.put(&row)).unwrap();
    }
    let syncs = || store.statistics().rocksdb.log_syncs;
    let patient: IsInterrupted = Arc::new(|| false);
    let mut deletion = store.prepare_deletion(at(2), &patient).unwrap();
    let before = syncs();
    assert!(before >= 20, "{before} syncs of 20 writes");
    for row in rows {
        store.add_to_deletion(&mut deletion, vec![row], &patient).unwrap();
    }
    assert_eq!(syncs(), before);
    store.write(at(3), move |transaction| transaction.publish_deletion(&mut deletion)).unwrap();
    assert_eq!((syncs(), all(&store).len()), (before + 1, 0));
}

#[test]
fn a_deletion_in_pieces_ends_with_the_piece_at_which_its_caller_has_gone() {
    let (_dir, store) = opened();
    let rows = ["document:a#viewer@user:ann", "document:b#viewer@user:ann"].map(relationship);
    for row in rows.clone() {
        store.write(at(1), move |transaction| transaction.put(&row)).unwrap();
    }
    let before = all(&store);
    // The caller waits for the first piece only.
    let looks = Arc::new(AtomicUsize::default());
    let counted = Arc::clone(&looks);
    let waits: IsInterrupted = Arc::new(move || counted.load(Ordering::SeqCst) > 0);
    let mut deletion = store.prepare_deletion(at(2), &waits).unwrap();
    let [first, second] = rows;
    store.add_to_deletion(&mut deletion, vec![first], &waits).unwrap();
    looks.store(1, Ordering::SeqCst);
    let ended = store.add_to_deletion(&mut deletion, vec![second], &waits).unwrap_err();
    assert!(format!("{ended:?}").contains("Interrupted"), "{ended:?}");
    drop(deletion);
    assert_eq!(all(&store), before);
}

#[test]
fn writes_that_meet_share_one_commit() {
    let (_dir, store) = opened();
    let before = store.statistics();
    let ((entered, is_entered), (release, released)) = (mpsc::channel(), mpsc::channel::<()>());
    let (answers, answered) = mpsc::channel();
    let submit = |number: usize, work: Box<dyn FnOnce() + Send>| {
        let row = relationship(&format!("document:{number}#viewer@user:ann"));
        let (slot, answers) = (store.admit(100).unwrap(), answers.clone());
        let put = move |transaction: &mut Transaction<'_>| {
            work();
            transaction.put(&row)
        };
        store.submit(WriteOptions::new(at(1)), put, move |outcome| {
            drop(slot);
            answers.send(outcome.is_ok_and(|written| written.is_ok())).unwrap();
        });
    };

    // While the writer is held in the first, all others come.
    let pause = move || {
        entered.send(()).unwrap();
        released.recv().unwrap();
    };
    submit(0, Box::new(pause));
    is_entered.recv().unwrap();
    for number in 1..=20 {
        submit(number, Box::new(|| {}));
    }
    let waiting = store.statistics();
    assert_eq!((waiting.queued_writes, waiting.queued_bytes), (21, 2_100));
    release.send(()).unwrap();
    assert!((0..=20).all(|_| answered.recv().unwrap()));
    let after = store.statistics();
    assert_eq!(
        (after.commits - before.commits, after.committed_writes - before.committed_writes),
        (1, 21)
    );
    assert_eq!((after.queued_writes, after.queued_bytes), (0, 0));
}
