//! Closing a store and opening it again within one process, after a commit whose outcome is unknown.

use super::data_folder::DATABASE;
use super::error::OpenError;
use super::presence::FolderPresence;
use crate::relationship::Revision;
use crate::store::handle::Store;
use crate::store::head::read_head;
use crate::store::inner::CommitListener;
use crate::store::options::StoreOptions;
use crate::store::pins::Pins;
use crate::store::rocks::source::{ReadSource, ReadTier};
use crate::store::unnamed_file;
use crate::store::visibility::Visibility;
use crate::store::write::health::WriteStop;
use crate::store::write::resources::{Reserve, Shortage};
use crate::store::write::spill;
use crate::store::write::spill_quota::SpillQuota;
use rocksdb::SnapshotWithThreadMode;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError};

/// A closed store, with the state that outlives it: pins, spill quota and commit listeners.
pub struct ClosedStore {
    dir: PathBuf,
    presence: Option<Arc<FolderPresence>>,
    options: StoreOptions,
    pins: Arc<Pins>,
    spill_quota: Arc<SpillQuota>,
    visibility: Visibility,
    listeners: Vec<CommitListener>,
    is_read_only: bool,
}

impl Store {
    /// Why the store accepts no writes until it is reopened; `None` while it accepts them. Notices a data folder that is lost.
    pub fn writes_stopped(&self) -> Option<WriteStop> {
        self.inner.stopped()
    }

    /// The resource of which writes other than deletions need more than there is, and are refused for; `None` while they are
    /// accepted.
    pub fn shortage(&self) -> Option<Shortage> {
        self.inner.require_resources(Reserve::Full).err()
    }

    /// Whether the data folder can be written again, and is the one that was opened; the error says why not.
    pub fn probe(&self) -> io::Result<()> {
        if let Some(loss) = self.inner.presence.as_ref().and_then(|presence| presence.loss()) {
            return Err(io::Error::other(loss));
        }
        probe(&self.dir)
    }

    fn head_revision(&self) -> Result<Revision, OpenError> {
        let snapshot = SnapshotWithThreadMode::new(self.db());
        let head = read_head(ReadSource::snapshot(self.db(), &snapshot, ReadTier::Disk));
        let head = head.map_err(|error| OpenError::from_read(&self.dir, &error))?;
        Ok(head.revision)
    }

    /// Closes the store, so that its folder can be opened again. Returns it unchanged when another handle of it exists, or
    /// when it is in memory. Waits for the write in progress.
    pub fn close(self) -> Result<ClosedStore, Box<Self>> {
        let is_shared = Arc::strong_count(&self.writer) > 1;
        if is_shared || self.scratch.is_some() {
            return Err(Box::new(self));
        }

        let Self { inner, writer, pins, spill_quota, dir, options, is_read_only, .. } = self;
        // The writer thread holds the database too, and ends here.
        drop(writer);
        let listeners =
            std::mem::take(&mut *inner.listeners.lock().unwrap_or_else(PoisonError::into_inner));
        let visibility = inner.visibility.release();
        let presence = inner.presence.clone();
        drop(inner);
        Ok(ClosedStore {
            dir,
            presence,
            options,
            pins,
            spill_quota,
            visibility,
            listeners,
            is_read_only,
        })
    }
}

impl ClosedStore {
    /// Reopens the store. A write whose commit had an unknown outcome is there whole or not at all then. Commit listeners
    /// are called, because it may be there.
    pub fn open(&mut self) -> Result<Store, OpenError> {
        // In the place of a lost folder, a new and empty store would be made.
        if let Some(reason) = self.presence.as_ref().and_then(|presence| presence.loss()) {
            return Err(OpenError::Io { path: self.dir.clone(), reason });
        }
        let mut store = Store::open(&self.dir, &self.options)?;
        store.pins = Arc::clone(&self.pins);
        store.spill_quota = Arc::clone(&self.spill_quota);
        store.is_read_only = self.is_read_only;

        store.inner.visibility.take_over(&self.visibility);
        // Listeners must learn of the commit that may be there after all.
        let listeners = std::mem::take(&mut self.listeners);
        *store.inner.listeners.lock().unwrap_or_else(PoisonError::into_inner) = listeners;
        store.inner.notify(store.head_revision()?);
        Ok(store)
    }
}

/// How many file descriptors opening the store needs besides those that it had.
const DESCRIPTORS: usize = 16;
/// How many bytes the probe writes.
const PROBE_BYTES: usize = 64 << 10;

/// Tries what reopening the store needs: a file that can be written and synced, file descriptors, and space for the content
/// of the log, which is written to table files then.
fn probe(dir: &Path) -> io::Result<()> {
    let database = dir.join(DATABASE);
    let mut missing = PROBE_BYTES;
    for entry in fs::read_dir(&database)? {
        let entry = entry?;
        if entry.path().extension().is_some_and(|extension| extension == "log") {
            missing += usize::try_from(entry.metadata()?.len()).unwrap_or(usize::MAX);
        }
    }
    let spare: Vec<File> = (0..DESCRIPTORS).map(|_| File::open(dir)).collect::<Result<_, _>>()?;
    drop(spare);

    let mut file = unnamed_file::unnamed_file(&dir.join(spill::FOLDER))?;
    let zeros = vec![0; PROBE_BYTES];
    while missing > 0 {
        let part = zeros.get(..missing.min(PROBE_BYTES)).unwrap_or(&zeros);
        file.write_all(part)?;
        missing -= part.len();
    }
    file.sync_all()
}

impl fmt::Debug for ClosedStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClosedStore").field("dir", &self.dir).finish_non_exhaustive()
    }
}
