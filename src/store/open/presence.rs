//! Whether the data folder is still the one that was opened.
//!
//! A file that is open can be written and synced after it was removed. So no commit fails when the data folder is removed,
//! renamed or replaced, and everything that is written from then on is lost with the process. Therefore the paths are compared
//! with what was opened: before each commit, which a few calls of `stat` do not delay beside its sync, and from time to time.

use super::data_folder::DATABASE;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

/// RocksDB's lock, a file that stays the same for as long as the database exists.
const LOCK: &str = "LOCK";
/// The file that names the manifest. RocksDB replaces it from time to time.
const CURRENT: &str = "CURRENT";
const LOG_SUFFIX: &str = ".log";

/// A file or folder, whatever its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileId {
    device: u64,
    inode: u64,
}

impl From<&Metadata> for FileId {
    fn from(found: &Metadata) -> Self {
        Self { device: found.dev(), inode: found.ino() }
    }
}

/// What has to be in the data folder of an open store.
#[derive(Debug)]
pub(in crate::store) struct FolderPresence {
    /// Paths, and what was there when the store was opened.
    opened: Vec<(PathBuf, FileId)>,
    /// The folder of the database.
    database: PathBuf,
    /// The number of the newest log that was seen.
    newest_log: AtomicU64,
}

impl FolderPresence {
    /// The presence of a store that has just been opened.
    pub(in crate::store) fn of(dir: &Path) -> io::Result<Self> {
        let database = dir.join(DATABASE);
        let paths = [dir.to_owned(), database.clone(), database.join(LOCK)];
        let identified =
            |path: PathBuf| fs::metadata(&path).map(|found| (path, FileId::from(&found)));
        let opened = paths.into_iter().map(identified).collect::<io::Result<_>>()?;
        let newest_log = AtomicU64::new(newest_log(&database)?.unwrap_or_default());
        Ok(Self { opened, database, newest_log })
    }

    /// What is missing, or is another one than was opened; `None` when everything is there, and when the system does not say.
    pub(in crate::store) fn loss(&self) -> Option<String> {
        for (path, opened) in &self.opened {
            match fs::metadata(path) {
                Ok(found) if FileId::from(&found) == *opened => {}
                Ok(_) => {
                    return Some(format!("`{}` is another one than was opened", path.display()));
                }
                Err(error) if is_missing(&error) => return Some(missing(path)),
                Err(_) => return None,
            }
        }

        let current = self.database.join(CURRENT);
        if is_gone(&current) {
            return Some(missing(&current));
        }
        self.log_loss()
    }

    fn log_loss(&self) -> Option<String> {
        let known = self.newest_log.load(Ordering::Relaxed);
        let path = self.database.join(format!("{known:06}{LOG_SUFFIX}"));
        if !is_gone(&path) {
            return None;
        }

        // RocksDB begins a log before it removes the one before. A list that is read meanwhile may lack both.
        for _ in 0..2 {
            match newest_log(&self.database) {
                Ok(Some(found)) if found > known => {
                    self.newest_log.store(found, Ordering::Relaxed);
                    return None;
                }
                Ok(_) => {}
                Err(_) => return None,
            }
        }
        Some(missing(&path))
    }
}

/// The number of the newest log in the folder of a database.
fn newest_log(database: &Path) -> io::Result<Option<u64>> {
    let mut newest = None;
    for entry in fs::read_dir(database)? {
        let name = entry?.file_name();
        let number = name.to_str().and_then(|name| name.strip_suffix(LOG_SUFFIX));
        newest = newest.max(number.and_then(|number| number.parse().ok()));
    }
    Ok(newest)
}

fn is_gone(path: &Path) -> bool {
    fs::metadata(path).is_err_and(|error| is_missing(&error))
}

fn is_missing(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
}

fn missing(path: &Path) -> String {
    format!("`{}` is not there any more", path.display())
}

#[cfg(test)]
mod tests {
    use super::*;
    use tempfile::TempDir;

    #[test]
    fn a_log_that_is_retired_after_another_was_begun_is_no_loss() {
        let dir = TempDir::new().unwrap();
        let database = dir.path().join(DATABASE);
        fs::create_dir(&database).unwrap();
        for name in [LOCK, CURRENT, "000004.log"] {
            fs::write(database.join(name), "").unwrap();
        }
        let presence = FolderPresence::of(dir.path()).unwrap();
        assert_eq!(presence.loss(), None);

        fs::write(database.join("000012.log"), "").unwrap();
        fs::remove_file(database.join("000004.log")).unwrap();
        assert_eq!(presence.loss(), None);
        // One of before is not the one that is written to.
        fs::write(database.join("000004.log"), "").unwrap();
        fs::remove_file(database.join("000012.log")).unwrap();
        assert!(presence.loss().is_some_and(|loss| loss.contains("000012.log")));

        // RocksDB replaces the file that names the manifest.
        fs::write(database.join("000012.log"), "").unwrap();
        fs::remove_file(database.join(CURRENT)).unwrap();
        assert!(presence.loss().is_some_and(|loss| loss.contains(CURRENT)));
        fs::write(database.join(CURRENT), "").unwrap();
        assert_eq!(presence.loss(), None);
    }
}
