//! State that the handles of a store share with its writer thread.

use super::layout::names::NameCatalog;
use super::open::acknowledged::Acknowledged;
use super::open::data_folder::FolderLock;
use super::open::presence::FolderPresence;
use super::prepared::PreparedRevisions;
use super::rocks::column_family::{ColumnFamily, Db};
use super::rocks::counters::RocksCounters;
use super::visibility::{Visibility, VisibleBatch};
use super::write::health::{WriteHealth, WriteStop};
use super::write::resources::{DiskSpace, Reserve, Shortage, SystemResources};
use super::write::totals::WriterTotals;
use crate::relationship::Revision;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

/// Called with the revision of each commit.
pub(super) type CommitListener = Box<dyn Fn(Revision) + Send>;

/// State that the handles of a store share with its writer thread.
pub(super) struct StoreInner {
    pub(super) db: Db,
    pub(super) counters: RocksCounters,
    pub(super) totals: WriterTotals,
    /// The names that committed rows may use.
    pub(super) names: RwLock<Arc<NameCatalog>>,
    /// The prepared revisions, which may be newer than those of a snapshot.
    pub(super) prepared: RwLock<Arc<PreparedRevisions>>,
    pub(super) listeners: Mutex<Vec<CommitListener>>,
    pub(super) sync: bool,
    /// Whether no further write is begun, and a large write in progress is left unfinished.
    pub(super) closing: AtomicBool,
    pub(super) visibility: Visibility,
    /// The record of acknowledged revisions; `None` for a store that acknowledges writes before they are on disk.
    pub(super) acknowledged: Option<Acknowledged>,
    pub(super) health: WriteHealth,
    /// Examined before each commit; `None` for a store in memory.
    pub(super) presence: Option<Arc<FolderPresence>>,
    /// Checked before writes; `None` for a store in memory.
    pub(super) resources: Option<Arc<SystemResources>>,
    /// Declared after the database, and so dropped after it: the lock is held until the database is closed.
    pub(super) _lock: Option<FolderLock>,
}

impl StoreInner {
    pub(super) fn is_closing(&self) -> bool {
        // The flag only ends work earlier. What the last write did is ordered by the queue and by the end of the thread.
        self.closing.load(Ordering::Relaxed)
    }

    /// Why nothing may be committed until the store is opened again; `None` while it may. Notices a data folder that is lost.
    pub(super) fn stopped(&self) -> Option<WriteStop> {
        if let Some(stop) = self.health.stopped() {
            return Some(stop);
        }
        let stop = WriteStop::FolderLost(self.presence.as_ref()?.loss()?);
        self.health.stop(stop.clone());
        Some(stop)
    }

    /// Requires the disk space and file descriptors that a write needs.
    pub(super) fn require_resources(&self, reserve: Reserve) -> Result<(), Shortage> {
        self.resources.as_ref().map_or(Ok(()), |resources| resources.require(reserve, 0))
    }

    /// The space on the disk of the data folder, where there is one.
    pub(super) fn disk_space(&self) -> Option<DiskSpace> {
        self.resources.as_ref()?.space()
    }

    pub(super) fn names(&self) -> Arc<NameCatalog> {
        Arc::clone(&self.names.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes names known to readers. Call it before the commit of the rows that use them.
    pub(super) fn publish(&self, names: &Arc<NameCatalog>) {
        *self.names.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(names);
    }

    pub(super) fn prepared(&self) -> Arc<PreparedRevisions> {
        Arc::clone(&self.prepared.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Makes the prepared revisions of a commit known. Readers compare the generation, so the order does not matter to them.
    pub(super) fn publish_prepared(&self, prepared: &Arc<PreparedRevisions>) {
        *self.prepared.write().unwrap_or_else(PoisonError::into_inner) = Arc::clone(prepared);
    }

    /// Stores when a batch became visible. An error is ignored: without the record, a time between the start of the batch
    /// and its commit shows the batch although it was not visible yet.
    pub(super) fn note_visibility(&self, batch: VisibleBatch) {
        if let Some((key, value)) = batch.record()
            && let Ok(meta) = ColumnFamily::Meta.handle(&self.db)
        {
            let _not_stored = self.db.put_cf(meta, key, value);
        }
    }

    /// Calls every commit listener.
    pub(super) fn notify(&self, revision: Revision) {
        for listener in &*self.listeners.lock().unwrap_or_else(PoisonError::into_inner) {
            listener(revision);
        }
    }
}
