//! What is read again without a restart: at SIGHUP all of it, and each thing by itself when its files change.

use crate::file_mode::FileMode;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::Notify;

/// How often the files are looked at.
const POLL_INTERVAL: Duration = Duration::from_secs(1);

/// Something that is read from files, and that can be read again.
pub(super) struct Reloadable {
    name: String,
    files: Vec<PathBuf>,
    /// The files that it is read from after a reload, where what is read names others.
    named_files: Option<Box<dyn Fn() -> Vec<PathBuf> + Send + Sync>>,
    reload: Box<dyn Fn() -> Result<(), String> + Send + Sync>,
    state: FileState,
    /// Whether the last reading failed, so that an older state is in use.
    is_outdated: bool,
}

/// How many things are in use as they were before their files changed, because these could not be used.
#[derive(Clone, Debug, Default)]
pub(super) struct OutdatedCount(Arc<AtomicU64>);

impl OutdatedCount {
    /// The number at present.
    pub(super) fn get(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn set(&self, things: &[Reloadable]) {
        let count = things.iter().map(|thing| u64::from(thing.is_outdated)).sum();
        self.0.store(count, Ordering::Relaxed);
    }
}

/// What is known of the files of one thing.
#[derive(Debug, Default)]
struct FileState {
    /// The files as they were when they were last read.
    read: Vec<FileMark>,
    /// As they were at the last look.
    seen: Vec<FileMark>,
}

/// What tells one content of a file from another: modification time in nanoseconds, bytes and inode; `None` without a file.
/// Links are followed.
type FileMark = Option<(i64, i64, u64, u64)>;

impl Reloadable {
    /// Something that `reload` reads from these files. It keeps the old state and says why when it cannot use what it reads.
    pub(super) fn new(
        name: impl Into<String>,
        files: Vec<PathBuf>,
        reload: impl Fn() -> Result<(), String> + Send + Sync + 'static,
    ) -> Self {
        let read = marks(&files);
        let state = FileState { seen: read.clone(), read };
        Self {
            name: name.into(),
            files,
            named_files: None,
            reload: Box::new(reload),
            state,
            is_outdated: false,
        }
    }

    /// The same for something whose files can be others after a reload.
    pub(super) fn with_named_files(
        self,
        files: impl Fn() -> Vec<PathBuf> + Send + Sync + 'static,
    ) -> Self {
        Self { named_files: Some(Box::new(files)), ..self }
    }

    /// Its files that every user of the machine can change. Their groups may: a system for configuration has one.
    pub(super) fn open_files(&self) -> impl Iterator<Item = &Path> {
        let is_open = |path: &&PathBuf| FileMode::at(path).is_ok_and(FileMode::all_may_change);
        self.files.iter().filter(is_open).map(PathBuf::as_path)
    }

    /// Warns of files that every user of the machine can change: they decide who may do what.
    pub(super) fn warn_of_open_files(&self) {
        for path in self.open_files() {
            tracing::warn!(
                name = self.name,
                path = %path.display(),
                "every user of this machine can change this file, and so who may do what: make its mode 0600"
            );
        }
    }

    /// Reads it again, and says in the log what came of it.
    fn reload(&mut self) {
        self.warn_of_open_files();
        // Before the files are read: a change meanwhile is then noticed at the next look.
        self.state.read = marks(&self.files);
        let reloaded = (self.reload)();
        self.is_outdated = reloaded.is_err();
        match reloaded {
            Ok(()) => {
                tracing::info!(name = self.name, "reloaded");
                self.follow_named_files();
            }
            Err(reason) => {
                tracing::error!(name = self.name, reason, "not reloaded; the old one stays in use");
            }
        }
    }

    /// Looks at other files from now on, if what was read names others.
    fn follow_named_files(&mut self) {
        let Some(files) = self.named_files.as_ref().map(|files| files()) else { return };
        if files != self.files {
            self.files = files;
            self.state.read = marks(&self.files);
            self.state.seen.clone_from(&self.state.read);
        }
    }

    /// Reads it again when its files are not as they were. A change counts once it has lasted from one look to the next, so
    /// that files which belong together can be replaced one after the other.
    fn reload_when_changed(&mut self) {
        let now = marks(&self.files);
        let is_settled = now == self.state.seen;
        let is_changed = now != self.state.read;
        self.state.seen = now;
        if is_changed && is_settled {
            self.reload();
        }
    }
}

impl fmt::Debug for Reloadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reloadable")
            .field("name", &self.name)
            .field("files", &self.files)
            .finish_non_exhaustive()
    }
}

/// Reloads what can be: all of it when `requests` is notified, and what has changed. Never ends.
pub(super) async fn supervise(
    mut things: Vec<Reloadable>,
    requests: Arc<Notify>,
    outdated: OutdatedCount,
) {
    loop {
        let is_requested = tokio::select! {
            () = requests.notified() => true,
            () = tokio::time::sleep(POLL_INTERVAL), if !things.is_empty() => false,
        };
        if is_requested && things.is_empty() {
            tracing::info!("SIGHUP: there is nothing to reload");
            continue;
        }
        // Files may be slow to read, on a network for example.
        let reading = tokio::task::spawn_blocking(move || {
            for thing in &mut things {
                if is_requested { thing.reload() } else { thing.reload_when_changed() }
            }
            things
        });
        match reading.await {
            Ok(back) => {
                outdated.set(&back);
                things = back;
            }
            Err(error) => {
                tracing::error!(%error, "reloading failed; a restart makes it possible again");
                things = Vec::new();
            }
        }
    }
}

fn marks(files: &[PathBuf]) -> Vec<FileMark> {
    let mark = |path: &PathBuf| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.mtime(), metadata.mtime_nsec(), metadata.size(), metadata.ino()))
    };
    files.iter().map(mark).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicUsize;

    #[test]
    fn a_change_counts_when_it_has_lasted_and_a_failure_is_not_repeated() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        fs::write(&path, "1").unwrap();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let mut thing = Reloadable::new("a thing", vec![path.clone()], move || {
            counted.fetch_add(1, Ordering::Relaxed);
            Err("of no use".to_owned())
        });

        thing.reload_when_changed();
        assert_eq!(count.load(Ordering::Relaxed), 0);
        fs::write(&path, "22").unwrap();
        thing.reload_when_changed();
        fs::write(&path, "333").unwrap();
        thing.reload_when_changed();
        assert_eq!(count.load(Ordering::Relaxed), 0, "it was still changing");
        thing.reload_when_changed();
        assert_eq!(count.load(Ordering::Relaxed), 1);
        thing.reload_when_changed();
        assert_eq!(count.load(Ordering::Relaxed), 1, "nothing has changed since");
        fs::remove_file(&path).unwrap();
        thing.reload_when_changed();
        thing.reload_when_changed();
        assert_eq!(count.load(Ordering::Relaxed), 2);
    }
}
