//! Damage to any file of a data folder: the store opens with every acknowledged write, or says what is wrong. It never
//! opens with fewer writes, and never answers without a row that it cannot read.

use crate::cli_serve::kilwa;
use kilwa::relationship::{
    ReadError, Relationship, RelationshipFilter, Revision, SubjectFilter, SubjectRelationFilter,
    Timestamp,
};
use kilwa::store::{OpenError, ScanBudget, Store, StoreOptions, TransactionError};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use tempfile::TempDir;

const WRITES: usize = 200;
/// The write that revokes what the first one granted.
const REVOCATION: usize = 120;
const THREADS: usize = 4;

fn now() -> Timestamp {
    Timestamp::from_unix(1_000_000, 0).unwrap()
}

fn options() -> StoreOptions {
    StoreOptions { block_cache_bytes: 1 << 20, ..StoreOptions::default() }
}

fn open(dir: &Path) -> Result<Store, OpenError> {
    Store::open(dir, &options())
}

fn recover(dir: &Path) -> Result<Store, OpenError> {
    Store::recover(dir, &options())
}

fn granted(number: usize) -> Relationship {
    format!("document:n{number}#viewer@user:u{number}").parse().unwrap()
}

/// Makes one of the writes, and gives back its revision.
fn write(store: &Store, number: usize) -> Revision {
    let written = store.write(now(), move |transaction| {
        if number == REVOCATION {
            transaction.remove(&granted(0)).map(drop)
        } else {
            transaction.put(&granted(number)).map(drop)
        }?;
        Ok::<_, TransactionError>(())
    });
    written.unwrap().0
}

/// What there is after the first `count` writes.
fn expected(count: usize) -> BTreeSet<String> {
    let numbers = (0..count).filter(|number| *number != REVOCATION);
    let revoked = count > REVOCATION;
    numbers.filter(|number| !(revoked && *number == 0)).map(|n| granted(n).to_string()).collect()
}

/// All relationships, read by both indexes.
fn stored(store: &Store) -> Result<BTreeSet<String>, ReadError> {
    let snapshot = store.snapshot(now())?;
    let rows = snapshot.scan(
        &RelationshipFilter::default(),
        None,
        usize::MAX,
        &ScanBudget::unlimited(),
    )?;
    let rows: BTreeSet<_> = rows.rows.into_iter().map(|(row, _)| row.to_string()).collect();
    for number in 0..WRITES {
        let filter = RelationshipFilter {
            subject: Some(SubjectFilter {
                subject_type: "user".to_owned(),
                subject_id: Some(format!("u{number}")),
                relation: SubjectRelationFilter::Any,
            }),
            ..RelationshipFilter::default()
        };
        let found = snapshot.scan(&filter, None, usize::MAX, &ScanBudget::unlimited())?;
        assert_eq!(found.rows.len(), usize::from(rows.contains(&granted(number).to_string())));
    }
    Ok(rows)
}

/// The files of a folder, with their contents.
type Image = Vec<(PathBuf, Vec<u8>)>;

fn image(dir: &Path) -> Image {
    let mut files = Image::new();
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let name = path.strip_prefix(dir).unwrap().to_owned();
                files.push((name, fs::read(&path).unwrap()));
            }
        }
    }
    files.sort();
    files
}

fn lay_out(files: &Image) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, bytes) in files {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    dir
}

/// A folder as a killed server leaves it: half of the writes in table files, half in the log.
fn killed() -> (Image, Revision) {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    for number in 0..WRITES / 2 {
        write(&store, number);
    }
    drop(store);
    // Opening moves the content of the log into table files.
    let store = open(dir.path()).unwrap();
    let revisions: Vec<_> = (WRITES / 2..WRITES).map(|number| write(&store, number)).collect();
    let files = image(dir.path());
    drop(store);
    (files, *revisions.last().unwrap())
}

fn is(name: &Path, suffix: &str) -> bool {
    name.to_string_lossy().ends_with(suffix)
}

/// One way to damage one file.
struct Damage {
    what: String,
    file: usize,
    bytes: Option<Vec<u8>>,
}

/// Each `step`th byte flipped, each `step`th cut, a tail of zeros and of garbage, and no file at all.
fn damages(files: &Image, step: impl Fn(&Path) -> usize) -> Vec<Damage> {
    let mut damages = Vec::new();
    for (file, (name, bytes)) in files.iter().enumerate() {
        let mut add = |what: String, bytes| {
            damages.push(Damage { what: format!("{}: {what}", name.display()), file, bytes });
        };
        for at in (0..bytes.len()).step_by(step(name)) {
            let mut flipped = bytes.clone();
            flipped[at] ^= 1 << (at % 8);
            add(format!("bit {} of byte {at} flipped", at % 8), Some(flipped));
            add(format!("cut at byte {at}"), Some(bytes[..at].to_vec()));
        }
        let mut zeros = bytes.clone();
        zeros[bytes.len() * 3 / 5..].fill(0);
        add("zeros from three fifths on".to_owned(), Some(zeros));
        add("zeros at its end".to_owned(), Some([bytes.as_slice(), &[0; 5000]].concat()));
        add("garbage at its end".to_owned(), Some([bytes.as_slice(), &[0xa7; 700]].concat()));
        add("deleted".to_owned(), None);
    }
    damages
}

/// Opens the folder with each damage. Says for each that was not noticed how it came out.
fn sweep(files: &Image, damages: Vec<Damage>) -> Vec<String> {
    let queue = Mutex::new(damages);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                loop {
                    let Some(damage) = queue.lock().unwrap().pop() else { return };
                    if let Err(found) = outcome(files, &damage) {
                        wrong.lock().unwrap().push(format!("{}: {found}", damage.what));
                    }
                }
            });
        }
    });
    wrong.into_inner().unwrap()
}

fn outcome(files: &Image, damage: &Damage) -> Result<(), String> {
    let mut files = files.clone();
    match &damage.bytes {
        Some(bytes) => files[damage.file].1.clone_from(bytes),
        None => drop(files.remove(damage.file)),
    }
    let dir = lay_out(&files);
    let store = match open(dir.path()) {
        Ok(store) => store,
        Err(OpenError::Damaged { .. } | OpenError::Incomplete { .. } | OpenError::Newer { .. }) => {
            return Ok(());
        }
        Err(other) => return Err(format!("refused without being called damaged: {other}")),
    };
    match stored(&store) {
        Ok(rows) if rows == expected(WRITES) => Ok(()),
        Ok(rows) => Err(format!("opened with {} relationships", rows.len())),
        // What cannot be read is said with the name of the file.
        Err(error) if error.reason.contains(".sst") => Ok(()),
        Err(error) => Err(format!("an error without a file: {}", error.reason)),
    }
}

fn assert_noticed(files: &Image, damages: Vec<Damage>) {
    let wrong = sweep(files, damages);
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn damage_to_any_file_keeps_every_acknowledged_write_or_is_refused() {
    let (files, _) = killed();
    let step = |name: &Path| if is(name, ".log") { 61 } else { 127 };
    let files: Image = files.into_iter().filter(|(name, _)| !is_ignored(name)).collect();
    let damages = damages(&files, step);
    assert!(damages.len() > 400, "{}", damages.len());
    assert_noticed(&files, damages);
}

/// Files that RocksDB only writes: its own log and a copy of its options.
fn is_ignored(name: &Path) -> bool {
    name.file_name().is_some_and(|name| {
        let name = name.to_string_lossy();
        name.starts_with("OPTIONS") || name.starts_with("LOG")
    })
}

#[test]
#[ignore = "takes a quarter of an hour; run with `cargo test --release --test it damage -- --ignored`"]
fn damage_to_any_byte_of_any_file_is_noticed() {
    let (files, _) = killed();
    let damages = damages(&files, |name| if is_ignored(name) { 997 } else { 1 });
    assert_noticed(&files, damages);
}

#[test]
fn recovery_opens_before_the_damage_says_what_is_lost_and_keeps_the_damaged_log() {
    let (mut files, acknowledged) = killed();
    let log = files.iter().position(|(name, bytes)| is(name, ".log") && bytes.len() > 999).unwrap();
    let middle = files[log].1.len() / 2;
    files[log].1[middle] ^= 4;
    let dir = lay_out(&files);
    let name = files[log].0.display().to_string();

    let refusal = open(dir.path()).unwrap_err();
    let OpenError::Incomplete { acknowledged: up_to, openable, .. } = &refusal else {
        panic!("{refusal}")
    };
    assert_eq!(*up_to, Some(acknowledged));
    let openable = openable.unwrap();
    let text = refusal.to_string();
    for part in [&name, "byte", "wrong checksum", "--recover-log", &openable.to_string()] {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
    assert_eq!(image(dir.path()).iter().find(|(n, _)| *n == files[log].0), Some(&files[log]));

    let store = recover(dir.path()).unwrap();
    assert_eq!(store.snapshot(now()).unwrap().revision(), openable);
    let rows = stored(&store).unwrap();
    let count = (0..WRITES).find(|count| expected(*count) == rows);
    assert!(count.is_some_and(|count| count > WRITES / 2), "{rows:?}");
    let note = store.notes().join(" ");
    assert!(note.contains("is lost") && note.contains(&acknowledged.to_string()), "{note}");
    let copy = dir.path().join("damaged-1").join(files[log].0.file_name().unwrap());
    assert_eq!(fs::read(copy).unwrap(), files[log].1);

    // From then on it is an ordinary store.
    let next = write(&store, WRITES);
    assert!(next > openable);
    drop(store);
    let store = open(dir.path()).unwrap();
    assert!(has_no_damage(&store), "{:?}", store.notes());
    assert_eq!(store.snapshot(now()).unwrap().revision(), next);
}

#[test]
fn recovery_of_an_intact_store_changes_nothing() {
    let (files, acknowledged) = killed();
    let dir = lay_out(&files);
    let store = recover(dir.path()).unwrap();
    assert_eq!(store.snapshot(now()).unwrap().revision(), acknowledged);
    assert_eq!(stored(&store).unwrap(), expected(WRITES));
    assert!(store.notes().join(" ").contains("intact"));
    assert!(!dir.path().join("damaged-1").exists());
}

#[test]
fn an_append_that_a_crash_cut_short_is_no_damage() {
    let (mut files, acknowledged) = killed();
    let log = files.iter().position(|(name, bytes)| is(name, ".log") && bytes.len() > 999).unwrap();
    let whole = files[log].1.clone();
    // The header of a record of 300 bytes, some of its bytes, and what a file system adds after a power loss.
    let started = [0x11, 0x22, 0x33, 0x44, 0x2c, 0x01, 0x01, 0x55, 0x66];
    for tail in [&started[..3], &started, &[0; 20], &[0; 9000]] {
        files[log].1 = [whole.as_slice(), tail].concat();
        let dir = lay_out(&files);
        for _ in 0..2 {
            let store = open(dir.path()).unwrap();
            assert_eq!(store.snapshot(now()).unwrap().revision(), acknowledged);
            assert_eq!(stored(&store).unwrap(), expected(WRITES));
        }
    }
}

#[test]
fn a_folder_without_its_database_is_no_new_store() {
    let (files, _) = killed();
    let dir = lay_out(&files);
    fs::remove_dir_all(dir.path().join("rocksdb")).unwrap();
    for open in [open, recover] {
        let error = open(dir.path()).unwrap_err();
        assert!(matches!(error, OpenError::Damaged { .. }), "{error}");
        assert!(error.to_string().contains("rocksdb/CURRENT"), "{error}");
    }
    // Nor is one with the database of another store.
    let (other, _) = killed();
    for (name, bytes) in other.iter().filter(|(name, _)| name.starts_with("rocksdb")) {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    let error = open(dir.path()).unwrap_err();
    assert!(error.to_string().contains("names the store"), "{error}");
}

#[test]
fn a_folder_of_an_older_program_gets_an_id_in_its_marker() {
    let (mut files, _) = killed();
    files.retain(|(name, _)| name != Path::new("acknowledged"));
    for (name, bytes) in &mut files {
        if name == Path::new("KILWA") {
            *bytes = b"kilwa data folder, format 1\n".to_vec();
        }
    }
    let dir = lay_out(&files);
    let store = open(dir.path()).unwrap();
    assert_eq!(stored(&store).unwrap(), expected(WRITES));
    assert!(has_no_damage(&store), "{:?}", store.notes());
    drop(store);
    let marker = fs::read_to_string(dir.path().join("KILWA")).unwrap();
    assert!(marker.starts_with("kilwa data folder, format 3\nstore "), "{marker}");
    assert!(dir.path().join("acknowledged").exists());
}

#[test]
fn a_store_whose_creation_was_broken_off_is_created_anew() {
    let dir = TempDir::new().unwrap();
    let store = open(dir.path()).unwrap();
    let marker = dir.path().join("KILWA");
    let text = fs::read_to_string(&marker).unwrap();
    drop(store);
    fs::write(&marker, format!("{text}creating\n")).unwrap();
    fs::remove_file(dir.path().join("rocksdb").join("CURRENT")).unwrap();
    let store = open(dir.path()).unwrap();
    write(&store, 1);
    assert_eq!(fs::read_to_string(&marker).unwrap(), text);
}

#[test]
fn what_cannot_be_read_is_never_compacted_away() {
    let (mut files, _) = killed();
    let table = files.iter().position(|(name, bytes)| is(name, ".sst") && bytes.len() > 2000);
    let table = table.unwrap();
    // Within the first block of rows.
    files[table].1[200] ^= 1;
    let dir = lay_out(&files);
    let mut starts = 0;
    // Each start adds table files, until there are enough for RocksDB to merge them.
    let stopped = loop {
        starts += 1;
        assert!(starts < 100, "the damaged table file was never merged");
        let store = match open(dir.path()) {
            Ok(store) => store,
            Err(error) => break error.to_string(),
        };
        let error = stored(&store).unwrap_err();
        assert!(error.reason.contains(".sst"), "{error:?}");
        let written = store.write(now(), move |transaction| {
            transaction.put(&granted(WRITES)).and_then(|_| transaction.remove(&granted(WRITES)))
        });
        if let Err(error) = written {
            stored(&store).unwrap_err();
            break error.to_string();
        }
    };
    assert!(stopped.contains(".sst"), "{stopped}");
}

#[test]
fn the_server_refuses_a_damaged_log_and_opens_it_with_the_option() {
    let (mut files, acknowledged) = killed();
    let log = files.iter().position(|(name, bytes)| is(name, ".log") && bytes.len() > 999).unwrap();
    let middle = files[log].1.len() / 2;
    files[log].1[middle] ^= 0x10;
    let dir = lay_out(&files);
    let serve =
        ["serve", "--grpc-addr", "127.0.0.1:0", "--grpc-preshared-key", "k", "--data-dir", "."];

    let refused = kilwa(dir.path()).args(serve).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    let said = String::from_utf8(refused.stderr).unwrap();
    let name = files[log].0.display().to_string();
    for part in [&name, "is damaged at byte", "serve --recover-log", &acknowledged.to_string()] {
        assert!(said.contains(part), "`{part}` is not in: {said}");
    }

    let mut server = kilwa(dir.path())
        .args(serve)
        .args(["--recover-log", "--accept-clock"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(server.stdout.take().unwrap()).read_line(&mut line).unwrap();
    server.kill().unwrap();
    server.wait().unwrap();
    let mut said = String::new();
    server.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(line.contains("127.0.0.1:"), "{line}{said}");
    assert!(said.contains("is lost") && said.contains("damaged-1"), "{said}");
}

/// Whether nothing is reported but the mode of the folder, which depends on the umask.
fn has_no_damage(store: &Store) -> bool {
    store.notes().iter().all(|note| note.starts_with("others can"))
}
