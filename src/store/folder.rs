//! The data folder: whether it is ours, and of a format that this program knows.

use super::handle::StoreId;
use super::marker::{MARKER, MARKER_DRAFT, Marker};
use crate::relationship::Revision;
use std::fs::{self, DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

/// The format that this program writes. Stands in the marker, which is read before RocksDB touches anything, and in
/// `meta`, beside what it is about.
pub(super) const FORMAT: u32 = 1;
/// The folder that belongs to RocksDB.
pub(super) const DATABASE: &str = "rocksdb";
/// What a fresh volume may hold.
const VOLUME_ROOT: &str = "lost+found";

/// A data folder that cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It holds something else.
    #[error("`{}` holds files but is no data folder: name an empty or a new folder", .path.display())]
    Foreign {
        /// The folder.
        path: PathBuf,
    },
    /// A newer program wrote it.
    #[error(
        "the data folder `{}` has format {found}, and this program knows formats up to {known}: \
         start a newer program or restore an older backup",
        .path.display()
    )]
    Newer {
        /// The folder.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program knows.
        known: u32,
    },
    /// Another process has it open.
    #[error("the data folder `{}` is in use: stop the other server or name another folder", .path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
    },
    /// Its content is damaged.
    #[error("the data folder `{}` is damaged, restore a backup: {reason}", .path.display())]
    Damaged {
        /// The folder.
        path: PathBuf,
        /// What was found.
        reason: String,
    },
    /// Acknowledged writes are missing, or cannot be read.
    #[error(
        "the data folder `{}` lacks acknowledged writes: {reason}{}{}",
        .path.display(), acknowledged_up_to(*.acknowledged), openable_up_to(*.openable)
    )]
    Incomplete {
        /// The folder.
        path: PathBuf,
        /// Which file is damaged, where and how.
        reason: String,
        /// Up to which revision writes were acknowledged, if that is known.
        acknowledged: Option<Revision>,
        /// Up to which revision the store can be opened with [`Store::recover`](super::Store::recover).
        openable: Option<Revision>,
    },
    /// The file system refused.
    #[error("the data folder `{}` cannot be opened: {reason}", .path.display())]
    Io {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        reason: String,
    },
}

fn acknowledged_up_to(revision: Option<Revision>) -> String {
    revision.map_or_else(String::new, |revision| {
        format!("; writes were acknowledged up to {}", dated(revision))
    })
}

fn openable_up_to(revision: Option<Revision>) -> String {
    match revision {
        Some(revision) => format!(
            "; restore a backup, or give up all writes after {}: `kilwa serve --recover-log` opens the store there and \
             keeps a copy of the damaged files",
            dated(revision)
        ),
        None => "; it cannot be opened at an earlier revision: restore a backup".to_owned(),
    }
}

/// A revision with the time that it stands for.
pub(super) fn dated(revision: Revision) -> String {
    format!("revision {revision} ({})", revision.time())
}

/// Keeps other processes, and other handles of this one, out of a data folder.
#[derive(Debug)]
pub(super) struct FolderLock {
    _folder: File,
}

/// How often a lock is tried, and the pause in between: a process that is being started holds a copy of every open file
/// for a moment, locks included.
const LOCK_TRIES: u32 = 5;
const LOCK_PAUSE: Duration = Duration::from_millis(10);

/// Makes the folder when there is none, and locks it.
///
/// RocksDB has a lock of its own, but takes it only when it opens: the files are examined before that.
pub(super) fn lock(dir: &Path) -> Result<FolderLock, OpenError> {
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

/// What the folder's marker says. A new or empty folder gets one that says that a store is being created.
pub(super) fn prepare(dir: &Path, recover: bool) -> Result<Marker, OpenError> {
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
        "the file `{MARKER}` is missing beside `{DATABASE}`; `kilwa serve --recover-log` writes it anew if the \
         database is intact"
    );
    OpenError::Damaged { path: dir.into(), reason }
}

/// A new store's id.
pub(super) fn random_id() -> io::Result<StoreId> {
    let mut id = [0; 16];
    getrandom::fill(&mut id).map_err(io::Error::other)?;
    Ok(StoreId(id))
}

/// Makes a folder, and those above it that are missing, so that a power loss does not take it away with what is in it.
/// It is for its owner alone: who may do what is not for everybody on the machine to read.
pub(super) fn make_folder(path: &Path) -> io::Result<()> {
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

/// A folder of its own for as long as it is used, empty at first.
#[derive(Debug)]
pub(super) struct Scratch(PathBuf);

impl Scratch {
    /// A new folder among the temporary ones, for its owner alone.
    pub(super) fn new() -> Result<Self, OpenError> {
        let above = std::env::temp_dir();
        let failed = |reason: String| OpenError::Io { path: above.clone(), reason };
        let mut name = [0; 16];
        getrandom::fill(&mut name).map_err(|error| failed(error.to_string()))?;
        let path = above.join(format!("kilwa-{:032x}", u128::from_be_bytes(name)));
        DirBuilder::new().mode(0o700).create(&path).map_err(|error| failed(error.to_string()))?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed lies where it is tidied up by itself.
        drop(fs::remove_dir_all(&self.0));
    }
}
