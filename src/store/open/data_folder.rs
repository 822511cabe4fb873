//! The data folder: its lock, its creation, and whether it is one of this program.

use super::error::OpenError;
use super::marker::{MARKER, MARKER_DRAFT, Marker};
use crate::file_mode::FileMode;
use crate::store::options::StoreId;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::Path;
use std::thread;
use std::time::Duration;

/// The folder that belongs to RocksDB.
pub(in crate::store) const DATABASE: &str = "rocksdb";
/// The folder that a fresh volume may contain.
const VOLUME_ROOT: &str = "lost+found";

/// Keeps other processes, and other handles of this one, out of a data folder.
#[derive(Debug)]
pub(in crate::store) struct FolderLock {
    _folder: File,
}

/// How often a lock is tried, and the pause in between: a process that is being started holds a copy of every open file
/// for a short time, locks included.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Creates the folder if it is missing, and locks it.
///
/// RocksDB locks its own folder, but only when it opens, and the files are examined before that.
pub(in crate::store) fn lock(dir: &Path) -> Result<FolderLock, OpenError> {
    let failed = |error: io::Error| OpenError::Io { path: dir.into(), reason: error.to_string() };
    make_folder(dir).map_err(failed)?;
    let folder = File::open(dir).map_err(failed)?;
    for _ in 0..LOCK_TRIES {
        match folder.try_lock() {
            Err(TryLockError::WouldBlock) => thread::sleep(LOCK_PAUSE),
            // A file system that cannot lock folders leaves it to RocksDB's lock.
            Ok(()) | Err(TryLockError::Error(_)) => return Ok(FolderLock { _folder: folder }),
        }
    }
    Err(OpenError::Locked { path: dir.into() })
}

/// A note for the operator if others can read or change a folder that this program has not created.
pub(in crate::store) fn note_on_mode(dir: &Path) -> Option<String> {
    let mode = FileMode::at(dir).ok()?;
    if !mode.is_open_to_others() {
        return None;
    }
    let others = if mode.others_may_change() { "change" } else { "read" };
    let mode = mode.bits();
    let shown = dir.display();
    Some(format!(
        "others can {others} the data folder `{shown}`, whose mode is {mode:04o}: make it private with `chmod 700 {shown}`"
    ))
}

/// Whether a server, or another handle, has the folder open. False for a folder that cannot be read.
pub fn is_folder_in_use(dir: &Path) -> bool {
    let Ok(folder) = File::open(dir) else { return false };
    // A shared lock, so that two that ask at the same time do not take each other for a server.
    matches!(folder.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// Requires that a folder has a store, or something else that is not for a new one to replace. Changes nothing.
pub(in crate::store) fn require_store(dir: &Path) -> Result<(), OpenError> {
    let failed = |error: io::Error| OpenError::Io { path: dir.into(), reason: error.to_string() };
    let found = if !dir.try_exists().map_err(failed)? {
        "is missing"
    } else if is_empty(dir).map_err(failed)? {
        "is empty"
    } else if matches!(Marker::read(dir)?, Some(Marker::Creating(_))) {
        "has no store, because the start that was to make it was broken off"
    } else {
        return Ok(());
    };
    Err(OpenError::NoStore { path: dir.into(), found })
}

/// The folder's marker. A new or empty folder gets one that says that a store is being created.
pub(in crate::store) fn prepare(dir: &Path, recover: bool) -> Result<Marker, OpenError> {
    let failed = |error: io::Error| OpenError::Io { path: dir.into(), reason: error.to_string() };
    if let Some(marker) = Marker::read(dir)? {
        return Ok(marker);
    }
    if dir.join(DATABASE).exists() {
        // The database carries the id too, so nothing is lost with the marker alone.
        return if recover { Ok(Marker::WithoutId) } else { Err(without_marker(dir)) };
    }
    if !is_empty(dir).map_err(failed)? {
        return Err(OpenError::Foreign { path: dir.into() });
    }

    let marker = Marker::Creating(random_id().map_err(failed)?);
    marker.write(dir).map_err(failed)?;
    Ok(marker)
}

fn without_marker(dir: &Path) -> OpenError {
    let reason = format!(
        "the file `{MARKER}` is missing, and the folder has a database in `{DATABASE}`; `kilwa serve --recover-log` writes it anew if the \
         database is intact"
    );
    OpenError::Damaged { path: dir.into(), reason }
}

/// A new store's id.
pub(in crate::store) fn random_id() -> io::Result<StoreId> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    Ok(StoreId(id))
}

/// Creates a folder and its missing parents, durably: a power loss does not remove it. Only its owner may read it, because
/// it says who may do what.
pub(in crate::store) fn make_folder(path: &Path) -> io::Result<()> {
    let mut missing = 0;
    while let Some(folder) = path.ancestors().nth(missing)
        && !folder.as_os_str().is_empty()
        && !folder.exists()
    {
        missing += 1;
    }
    DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    path.ancestors().skip(1).take(missing).try_for_each(|above| {
        // The folder above a relative path of one part is the current one.
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        File::open(above)?.sync_all()
    })
}

fn is_empty(dir: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(dir)? {
        let name = entry?.file_name();
        if name != MARKER_DRAFT && name != VOLUME_ROOT {
            return Ok(false);
        }
    }
    Ok(true)
}
