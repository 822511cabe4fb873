//! A data folder that is removed, emptied, renamed or replaced under a running server: no further write is acknowledged, because
//! it would be gone with the process. Reads and backups continue, and the same folder that comes back is taken again.

use crate::healing::Server;
use crate::program;
use crate::served::Served;
use kilwa::relationship::Timestamp;
use kilwa::store::{Store, StoreOptions, TransactionError, WriteError, WriteStop};
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;
use tempfile::TempDir;
use tokio::time::Instant;
use tonic::Code;
use tonic_health::pb::health_check_response::ServingStatus;

fn now() -> Timestamp {
    Timestamp::from_unix(1_000_000, 0).unwrap()
}

fn open(dir: &Path) -> Store {
    Store::open(dir, &StoreOptions { block_cache_bytes: 1 << 20, ..StoreOptions::default() })
        .unwrap()
}

fn write(store: &Store, number: usize) -> Result<(), WriteError<TransactionError>> {
    let relationship = format!("document:n{number}#viewer@user:ann").parse().unwrap();
    store.write(now(), move |transaction| transaction.put(&relationship).map(drop)).map(drop)
}

/// Removes every file of a database with an ending.
fn remove_files(database: &Path, ending: &str) {
    let mut removed = 0;
    for entry in fs::read_dir(database).unwrap() {
        let path = entry.unwrap().path();
        if path.to_str().unwrap().ends_with(ending) {
            fs::remove_file(path).unwrap();
            removed += 1;
        }
    }
    assert!(removed > 0, "there is no file `{ending}`");
}

/// What is missing afterwards, as the store says it, and how it is lost.
type Loss = (&'static str, fn(&Path));

#[test]
fn no_write_is_acknowledged_that_the_next_start_would_not_find() {
    let losses: [Loss; 7] = [
        ("data", |data| fs::remove_dir_all(data).unwrap()),
        ("rocksdb", |data| fs::remove_dir_all(data.join("rocksdb")).unwrap()),
        ("rocksdb/CURRENT", |data| remove_files(&data.join("rocksdb"), "CURRENT")),
        ("rocksdb/LOCK", |data| remove_files(&data.join("rocksdb"), "LOCK")),
        (".log", |data| remove_files(&data.join("rocksdb"), ".log")),
        ("data", |data| fs::rename(data, data.with_extension("old")).unwrap()),
        ("another one", |data| {
            let other = data.with_extension("other");
            drop(open(&other));
            fs::rename(data, data.with_extension("old")).unwrap();
            fs::rename(other, data).unwrap();
        }),
    ];
    for (said, lose) in losses {
        let home = TempDir::new().unwrap();
        let data = home.path().join("data");
        let store = open(&data);
        write(&store, 1).unwrap();
        assert_eq!(store.writes_stopped(), None);
        lose(&data);

        // The write is refused whether or not someone has looked before.
        let refused = write(&store, 2).unwrap_err();
        assert!(
            matches!(&refused, WriteError::FolderLost { reason } if reason.contains(said)),
            "{refused}"
        );
        let Some(WriteStop::FolderLost(reason)) = store.writes_stopped() else { panic!("{said}") };
        assert!(reason.contains(said), "{reason}");
        assert_eq!(store.probe().unwrap_err().to_string(), reason);
        store.snapshot(now()).unwrap();
        // Nothing is made or opened in the place of what was lost.
        let refused = store.close().unwrap().open().unwrap_err();
        assert!(refused.to_string().contains(said), "{refused}");
    }
}

#[tokio::test]
async fn a_server_says_that_its_folder_is_lost_and_what_to_do() {
    let home = TempDir::new().unwrap();
    let data = home.path().join("data");
    let server = Server::start(&data, home.path()).await;
    server.write_schema().await;
    server.write(0).await.unwrap();
    let made = "a new, empty store was made";
    assert!(server.said().contains(made), "{}", server.said());
    assert!(server.metrics().await.contains("\nkilwa_writes_stopped 0\n"));

    fs::rename(&data, home.path().join("elsewhere")).unwrap();
    server.await_health(ServingStatus::NotServing).await;
    assert_eq!(server.ready().await, (503, "writes are stopped\n".to_owned()));
    assert!(server.metrics().await.contains("\nkilwa_writes_stopped 1\n"));
    let refused = server.write(1).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert!(refused.message().contains("was removed or replaced"), "{refused}");
    assert!(server.said().contains("make a backup first with `kilwa backup create`"));

    // The same folder that comes back is taken again by itself, and has all that was acknowledged.
    fs::rename(home.path().join("elsewhere"), &data).unwrap();
    server.await_health(ServingStatus::Serving).await;
    server.write(2).await.unwrap();

    // The server may make files meanwhile, as in the way of any program that removes a folder.
    while data.exists() {
        drop(fs::remove_dir_all(&data));
    }
    let refused = server.write(3).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unavailable, "{refused}");
    assert_eq!(server.documents().await, [0, 2].into());
    let backup = home.path().join("last.backup");
    let saved = server.command(&["backup", "create", backup.to_str().unwrap()]).output().unwrap();
    assert!(saved.status.success(), "{saved:?}");
    drop(server);

    // A store that exists is not called new.
    fs::remove_file(home.path().join("server.log")).unwrap();
    let server = Server::start(&data, home.path()).await;
    assert!(server.said().contains(made), "{}", server.said());
    let restored =
        server.command(&["backup", "restore", backup.to_str().unwrap()]).output().unwrap();
    assert!(restored.status.success(), "{restored:?}");
    assert_eq!(server.documents().await, [0, 2].into());
    drop(server);
    fs::remove_file(home.path().join("server.log")).unwrap();
    let server = Server::start(&data, home.path()).await;
    assert!(!server.said().contains(made), "{}", server.said());
}

#[test]
fn a_server_that_has_to_find_its_data_makes_no_new_store() {
    let folder = TempDir::new().unwrap();
    let (missing, volume) = (folder.path().join("missing"), folder.path().join("volume"));
    let broken_off = folder.path().join("broken off");
    fs::create_dir_all(volume.join("lost+found")).unwrap();
    // As a crash leaves a first start.
    drop(open(&broken_off));
    let marker = fs::read_to_string(broken_off.join("KILWA")).unwrap();
    fs::remove_dir_all(broken_off.join("rocksdb")).unwrap();
    fs::write(broken_off.join("KILWA"), format!("{marker}creating\n")).unwrap();

    let start = |data: &Path| {
        let mut serve = program::kilwa();
        serve.args(["serve", "--grpc-addr", "127.0.0.1:0", "--require-existing-data"]);
        let serve = serve.arg("--data-dir").arg(data).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = serve.spawn().unwrap();
        let end = Instant::now() + Duration::from_mins(1);
        while process.try_wait().unwrap().is_none() {
            if Instant::now() > end {
                process.kill().unwrap();
            }
            thread::sleep(Duration::from_millis(5));
        }
        process.wait_with_output().unwrap()
    };
    for (data, found) in
        [(&missing, "is missing"), (&volume, "is empty"), (&broken_off, "broken off")]
    {
        let entries = || fs::read_dir(data).map_or(0, Iterator::count);
        let before = entries();
        let output = start(data);
        let error = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{error}");
        for part in [data.to_str().unwrap(), found, "--require-existing-data", "mount the volume"] {
            assert!(error.contains(part), "{part}: {error}");
        }
        assert_eq!(entries(), before, "nothing is made");
    }
    assert!(!missing.exists());

    // What the first start has made is found by each later one.
    let mut first = Served::start(&volume);
    first.signal("TERM");
    first.await_end();
    drop(Served::start_with(&volume, &["--require-existing-data"]));
}
