//! Killed in the middle of writing, the store keeps every acknowledged write whole, and no half of any other.
//!
//! The test starts its own binary again as the writer; see [`child`].

use kilwa::relationship::{Relationship, RelationshipFilter, Revision, Timestamp};
use kilwa::store::{OpenError, ScanBudget, Store, StoreOptions, TransactionError};
use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use tempfile::TempDir;

const ROUNDS: u64 = 50;
/// How many relationships each write makes.
const PARTS: u64 = 5;
const WRITERS: u64 = 3;
const FOLDER: &str = "KILWA_TEST_RECOVERY_FOLDER";

fn now() -> Timestamp {
    Timestamp::from_unix(1_000_000, 0).unwrap()
}

fn open(dir: &Path) -> Store {
    Store::open(dir, &StoreOptions { block_cache_bytes: 1 << 20, ..StoreOptions::default() })
        .unwrap()
}

fn part(round: u64, write: u64, part: u64) -> Relationship {
    format!("write:r{round}n{write}#part@number:p{part}").parse().unwrap()
}

/// The writer: writes until it is killed, and says each acknowledged write on its standard output.
#[test]
#[ignore = "started by `acknowledged_writes_survive_a_kill`"]
#[expect(clippy::disallowed_methods, reason = "a process that is started again has no arguments")]
fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let store = open(Path::new(&folder));
    // Every life writes under the number of the revision that it found.
    let round = store.snapshot(now()).unwrap().revision().0;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let store = &store;
            scope.spawn(move || {
                for write in (writer..).step_by(usize::try_from(WRITERS).unwrap()) {
                    let revision = write_parts(store, round, write);
                    let mut out = std::io::stdout().lock();
                    writeln!(out, "acknowledged {round} {write} {revision} whole").unwrap();
                    out.flush().unwrap();
                }
            });
        }
    });
}

fn write_parts(store: &Store, round: u64, write: u64) -> Revision {
    let result = store.write(now(), move |transaction| {
        (0..PARTS).try_for_each(|number| transaction.put(&part(round, write, number)).map(drop))?;
        Ok::<_, TransactionError>(())
    });
    result.unwrap().0
}

#[test]
fn acknowledged_writes_survive_a_kill() {
    let dir = TempDir::new().unwrap();
    let mut acknowledged = BTreeMap::new();
    let mut last = Revision(0);
    for round in 0..ROUNDS {
        // A different number of writes each time, none at all among them.
        let count = usize::try_from(round * 7 % 23).unwrap();
        acknowledged.extend(kill_after(dir.path(), count));
        let store = open(dir.path());
        let head = store.snapshot(now()).unwrap().revision();
        assert!(last <= head, "the head went back");
        assert!(acknowledged.values().all(|revision| *revision <= head));
        last = head;
        assert_whole(&store, &acknowledged);
    }
    let distinct: BTreeSet<_> = acknowledged.values().collect();
    assert_eq!(distinct.len(), acknowledged.len(), "two writes had one revision");
}

type Acknowledged = BTreeMap<(u64, u64), Revision>;

/// Runs a writer until it has acknowledged `count` writes, kills it, and gives back all that it acknowledged.
fn kill_after(dir: &Path, count: usize) -> Acknowledged {
    let mut writer = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "recovery::child", "--ignored", "--nocapture", "--test-threads=1"])
        .env(FOLDER, dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(writer.stdout.take().unwrap()).lines();
    let mut acknowledged = Acknowledged::new();
    while acknowledged.len() < count {
        let line = lines.next().expect("the writer ended by itself").unwrap();
        acknowledged.extend(parse(&line));
    }
    if count > 0 {
        let second = Store::open(dir, &StoreOptions::default()).unwrap_err();
        assert!(matches!(second, OpenError::Locked { .. }), "{second}");
    }
    writer.kill().unwrap();
    writer.wait().unwrap();
    acknowledged.extend(lines.filter_map(|line| parse(&line.unwrap())));
    acknowledged
}

/// What an acknowledgement says: which write, and its revision. The last line may be cut short.
fn parse(line: &str) -> Option<((u64, u64), Revision)> {
    let (_, said) = line.split_once("acknowledged ")?;
    let mut numbers = said.split(' ').map(|number| number.parse().ok());
    let write = (numbers.next()??, numbers.next()??);
    let revision = Revision(numbers.next()??);
    said.ends_with(" whole").then_some((write, revision))
}

fn assert_whole(store: &Store, acknowledged: &Acknowledged) {
    let snapshot = store.snapshot(now()).unwrap();
    let rows = snapshot
        .scan(&RelationshipFilter::default(), None, usize::MAX, &ScanBudget::unlimited())
        .unwrap()
        .rows;
    let mut parts: BTreeMap<String, u64> = BTreeMap::new();
    for (row, _) in rows {
        *parts.entry(row.resource.object_id().to_owned()).or_default() += 1;
    }
    assert!(parts.values().all(|count| *count == PARTS), "half a write is there: {parts:?}");
    for (round, write) in acknowledged.keys() {
        let id = format!("r{round}n{write}");
        assert!(parts.contains_key(&id), "the acknowledged write {id} is gone");
    }
}
