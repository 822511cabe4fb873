//! Closing a store and opening it again within one process, after a commit whose outcome is unknown.

use super::folder::{DATABASE, OpenError};
use super::handle::{Store, StoreOptions, read_head};
use super::holds::Holds;
use super::rocks::{Reach, Source};
use super::staged::{self, Spill};
use super::visibility::Visibility;
use super::writer::Bell;
use crate::relationship::{ReadError, Revision};
use rocksdb::SnapshotWithThreadMode;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

/// A closed store, with what has to outlive it: the pinned revisions, and who is called after commits.
pub struct ClosedStore {
    dir: PathBuf,
    options: StoreOptions,
    holds: Arc<Holds>,
    spill: Arc<Spill>,
    visibility: Visibility,
    bells: Vec<Bell>,
    is_read_only: bool,
}

impl Store {
    /// Why the store takes no writes until it is opened again; `None` while it takes them.
    pub fn writes_stopped(&self) -> Option<String> {
        self.shared.health.stopped()
    }

    /// Whether the data folder can be written again; an error says what stands in the way.
    pub fn probe(&self) -> io::Result<()> {
        probe(&self.dir)
    }

    fn head_revision(&self) -> Result<Revision, OpenError> {
        let snapshot = SnapshotWithThreadMode::new(self.db());
        let head = read_head(Source::snapshot(self.db(), &snapshot, Reach::Disk));
        let damaged =
            |error: ReadError| OpenError::Damaged { path: self.dir.clone(), reason: error.reason };
        Ok(head.map_err(damaged)?.revision)
    }

    /// Closes the store, so that its folder can be opened again. Gives it back when another handle of it exists, or when
    /// it is in memory. Waits for the write that is running.
    pub fn close(self) -> Result<ClosedStore, Box<Self>> {
        let is_shared = Arc::strong_count(&self.writer) > 1;
        if is_shared || self.scratch.is_some() {
            return Err(Box::new(self));
        }

        let Self { shared, writer, holds, spill, dir, options, is_read_only, .. } = self;
        // The writer's thread holds the database too, and ends here.
        drop(writer);
        let bells =
            std::mem::take(&mut *shared.bells.lock().unwrap_or_else(PoisonError::into_inner));
        let visibility = shared.visibility.release();
        drop(shared);
        Ok(ClosedStore { dir, options, holds, spill, visibility, bells, is_read_only })
    }
}

impl ClosedStore {
    /// Opens the store again. A commit whose outcome was unknown is there whole or not at all then; those who wait for
    /// commits are called, because it may be there.
    pub fn open(&mut self) -> Result<Store, OpenError> {
        let mut store = Store::open(&self.dir, &self.options)?;
        store.holds = Arc::clone(&self.holds);
        store.spill = Arc::clone(&self.spill);
        store.is_read_only = self.is_read_only;

        store.shared.visibility.take_over(&self.visibility);
        // Those who wait for commits must learn of the one that may be there after all.
        let bells = std::mem::take(&mut self.bells);
        *store.shared.bells.lock().unwrap_or_else(PoisonError::into_inner) = bells;
        store.shared.ring(store.head_revision()?);
        Ok(store)
    }
}

/// How many file descriptors opening the store needs besides those that it had.
const DESCRIPTORS: usize = 16;
/// How many bytes the probe writes.
const PROBE_BYTES: usize = 64 << 10;

/// Tries what opening the store again needs: a file that can be written and synced, descriptors, and room for what the log
/// holds, which is written to table files then.
fn probe(dir: &Path) -> io::Result<()> {
    let database = dir.join(DATABASE);
    let mut room = PROBE_BYTES;
    for entry in fs::read_dir(&database)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "log") {
            room += usize::try_from(entry.metadata()?.len()).unwrap_or(usize::MAX);
        }
    }
    let spare: Vec<File> = (0..DESCRIPTORS).map(|_| File::open(dir)).collect::<Result<_, _>>()?;
    drop(spare);

    let mut file = staged::nameless(&dir.join(staged::FOLDER))?;
    let zeros = vec![0; PROBE_BYTES];
    while room > 0 {
        let part = zeros.get(..room.min(PROBE_BYTES)).unwrap_or(&zeros);
        file.write_all(part)?;
        room -= part.len();
    }
    file.sync_all()
}

impl fmt::Debug for ClosedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClosedStore").field("dir", &self.dir).finish_non_exhaustive()
    }
}
