//! System resources that a write needs: free space in the data folder, and free file descriptors.
//!
//! A failed commit stops all writes until the store is reopened. So both are checked before a write, which is refused
//! cleanly when there is too little: the reserve is for files that RocksDB writes and opens later in the background.

use std::fs::{self, File};
use std::io;
use std::path::Path;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// The most free space that a write must leave: enough to write to table files what RocksDB holds in memory.
const RESERVE_BYTES_MAX: u64 = 64 << 20;
/// On a small disk the reserve is the disk's size divided by this.
const RESERVE_PART: u64 = 16;
/// RocksDB opens files in groups: a log, and a table file for each column family of a flush.
const RESERVE_DESCRIPTORS: u64 = 24;
/// How long a count of descriptors is valid when few of them are left.
const COUNT_VALID: Duration = Duration::from_millis(20);
/// The free descriptors above which a count is valid for longer: a second for each so many of them. A count takes time in
/// proportion to the open descriptors, and a process does not open that many within that time.
const DESCRIPTORS_PER_SECOND: u64 = 1024;
/// The longest time for which a count is valid.
const COUNT_VALID_MAX: Duration = Duration::from_secs(5);
/// The folder in which the system lists the descriptors of a process.
const DESCRIPTORS: &str = "/proc/self/fd";

/// A resource of which a write needs more than there is. Nothing was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Shortage {
    /// Space in the data folder.
    #[error(
        "the disk of the data folder has {free} bytes free, and {} {wanted}: free some space on the disk{}",
        if *.for_deletion { "even a deletion needs" } else { "a write needs" },
        if *.for_deletion { "" } else { ", or delete relationships, which needs half of that" }
    )]
    Space {
        /// The bytes that are free.
        free: u64,
        /// The bytes that must be free.
        wanted: u64,
        /// Whether half of the reserve would have been enough.
        for_deletion: bool,
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

/// The space on the disk of the data folder, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DiskSpace {
    /// What is free for the server.
    pub free: u64,
    /// What a write must leave free.
    pub reserve: u64,
}

/// Which part of the reserve a write must leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::store) enum Reserve {
    /// All of it.
    Full,
    /// Half of it, for writes that free space in the end.
    Half,
}

/// A count of file descriptors.
#[derive(Clone, Copy, Debug)]
struct DescriptorCount {
    used: u64,
    /// When the count is no longer valid.
    expires: Instant,
}

/// Disk space and file descriptors of this process.
#[derive(Debug)]
pub(in crate::store) struct SystemResources {
    folder: File,
    counted: Mutex<Option<DescriptorCount>>,
}

impl SystemResources {
    pub(in crate::store) fn new(dir: &Path) -> io::Result<Self> {
        Ok(Self { folder: File::open(dir)?, counted: Mutex::default() })
    }

    /// Requires what a write of so many bytes needs. A resource whose amount the system does not report is not required.
    pub(in crate::store) fn require(&self, reserve: Reserve, bytes: usize) -> Result<(), Shortage> {
        self.require_space(reserve, u64::try_from(bytes).unwrap_or(u64::MAX))?;
        self.require_descriptors()
    }

    /// The space on the disk of the data folder; `None` when the system does not report it.
    pub(in crate::store) fn space(&self) -> Option<DiskSpace> {
        let disk = rustix::fs::fstatvfs(&self.folder).ok()?;
        let total = disk.f_blocks.saturating_mul(disk.f_frsize);
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        Some(DiskSpace { free, reserve: RESERVE_BYTES_MAX.min(total / RESERVE_PART) })
    }

    fn require_space(&self, reserve: Reserve, bytes: u64) -> Result<(), Shortage> {
        let Some(DiskSpace { free, reserve: full }) = self.space() else { return Ok(()) };
        let for_deletion = reserve == Reserve::Half;
        let reserve = if for_deletion { full / 2 } else { full };

        let wanted = reserve.saturating_add(bytes);
        if free < wanted { Err(Shortage::Space { free, wanted, for_deletion }) } else { Ok(()) }
    }

    fn require_descriptors(&self) -> Result<(), Shortage> {
        let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
        // Without a limit, no count is needed.
        let Some(max) = limit.current else { return Ok(()) };
        let Some(used) = self.used_descriptors(max, now()) else { return Ok(()) };

        let wanted = RESERVE_DESCRIPTORS;
        let is_short = used.saturating_add(wanted) > max;
        if is_short { Err(Shortage::Descriptors { used, max, wanted }) } else { Ok(()) }
    }

    /// How many descriptors were in use lately; `None` when the system does not report it.
    fn used_descriptors(&self, max: u64, now: Instant) -> Option<u64> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = *counted
            && now < count.expires
        {
            return Some(count.used);
        }

        let used = match fs::read_dir(DESCRIPTORS) {
            Ok(entries) => u64::try_from(entries.count()).ok()?,
            // No descriptor is left to open the list with.
            Err(error) if error.kind() != io::ErrorKind::NotFound => u64::MAX,
            Err(_) => return None,
        };
        let expires = now + count_valid(max.saturating_sub(used));
        *counted = Some(DescriptorCount { used, expires });
        Some(used)
    }
}

/// How long a count is valid that left so many descriptors free.
fn count_valid(free: u64) -> Duration {
    let seconds =
        Duration::from_secs(free.saturating_sub(RESERVE_DESCRIPTORS) / DESCRIPTORS_PER_SECOND);
    seconds.clamp(COUNT_VALID, COUNT_VALID_MAX)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the age of a cached count, which no answer depends on"
)]
fn now() -> Instant {
    Instant::now()
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn descriptors_are_counted_less_often_while_many_are_free() {
        assert_eq!(count_valid(0), COUNT_VALID);
        assert_eq!(count_valid(1_000), COUNT_VALID);
        assert_eq!(count_valid(2_100), Duration::from_secs(2));
        assert_eq!(count_valid(1_000_000), COUNT_VALID_MAX);

        let dir = TempDir::new().unwrap();
        let resources = SystemResources::new(dir.path()).unwrap();
        let start = now();
        let first = resources.used_descriptors(u64::MAX, start).unwrap();
        assert_eq!(resources.used_descriptors(u64::MAX, start), Some(first));
        let later = start + COUNT_VALID_MAX;
        resources.used_descriptors(u64::MAX, later).unwrap();
        assert!(resources.counted.lock().unwrap().unwrap().expires > later);
    }
}
