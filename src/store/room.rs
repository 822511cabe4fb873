//! What a write needs of the system: free space in the data folder, and free file descriptors.
//!
//! A commit that fails stops all writes until the store has been opened again. So both are looked at before a write, which
//! is refused cleanly when there is too little: the reserve is for what RocksDB writes and opens on its own, later.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most free space that a write leaves: what RocksDB holds in memory can be written to table files with it.
const RESERVE_BYTES_MAX: u64 = 64 << 20;
/// The reserve of a small disk is this part of it.
const RESERVE_PART: u64 = 16;
/// RocksDB opens files in groups: a log, and a table file for each column family of a flush.
const RESERVE_DESCRIPTORS: u64 = 24;
/// For how long a count of descriptors is used.
const COUNT_VALID: Duration = Duration::from_millis(20);
/// Where the system lists the descriptors of a process.
const DESCRIPTORS: &str = "/proc/self/fd";

/// What is missing for a write. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// Space in the data folder.
    #[error(
        "the disk of the data folder has {free} bytes free, and a write needs {wanted}: make room on the disk; deletions \
         and the collection of old history need half of that"
    )]
    Space {
        /// The bytes that are free.
        free: u64,
        /// The bytes that must be.
        wanted: u64,
    },
    /// File descriptors.
    #[error(
        "the server has {used} of its {max} file descriptors in use, and a write needs {wanted} free ones: close \
         connections or raise the limit of open files"
    )]
    Descriptors {
        /// How many are in use.
        used: u64,
        /// How many there may be.
        max: u64,
        /// How many must be free.
        wanted: u64,
    },
}

/// Which reserve a write must leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reserve {
    /// The whole.
    Full,
    /// Half of it, for what makes room in the end.
    Half,
}

/// Looks at the system.
#[derive(Debug)]
pub(super) struct Room {
    folder: File,
    counted: Mutex<Option<(Instant, u64)>>,
}

impl Room {
    pub(super) fn new(dir: &Path) -> io::Result<Self> {
        Ok(Self { folder: File::open(dir)?, counted: Mutex::default() })
    }

    /// Requires what a write of so many bytes needs. What the system does not tell is not required.
    pub(super) fn require(&self, reserve: Reserve, bytes: usize) -> Result<(), Shortage> {
        self.require_space(reserve, u64::try_from(bytes).unwrap_or(u64::MAX))?;
        self.require_descriptors()
    }

    fn require_space(&self, reserve: Reserve, bytes: u64) -> Result<(), Shortage> {
        let Ok(disk) = rustix::fs::fstatvfs(&self.folder) else { return Ok(()) };
        let total = disk.f_blocks.saturating_mul(disk.f_frsize);
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        let full = RESERVE_BYTES_MAX.min(total / RESERVE_PART);
        let reserve = match reserve {
            Reserve::Full => full,
            Reserve::Half => full / 2,
        };

        let wanted = reserve.saturating_add(bytes);
        if free < wanted { Err(Shortage::Space { free, wanted }) } else { Ok(()) }
    }

    fn require_descriptors(&self) -> Result<(), Shortage> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        let (Some(max), Some(used)) = (limit.current, self.used_descriptors()) else {
            return Ok(());
        };
        let wanted = RESERVE_DESCRIPTORS;
        let is_short = used.saturating_add(wanted) > max;
        if is_short { Err(Shortage::Descriptors { used, max, wanted }) } else { Ok(()) }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the age of a cached count, which no answer depends on"
    )]
    fn used_descriptors(&self) -> Option<u64> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        if let Some((at, count)) = *counted
            && now.saturating_duration_since(at) < COUNT_VALID
        {
            return Some(count);
        }
        let count = match fs::read_dir(DESCRIPTORS) {
            Ok(entries) => u64::try_from(entries.count()).ok()?,
            // None is left to open the list with.
            Err(error) if error.kind() != io::ErrorKind::NotFound => u64::MAX,
            Err(_) => return None,
        };
        *counted = Some((now, count));
        Some(count)
    }
}
