//! Revisions as of a time of day.

use super::handle::Store;
use super::head::{HeadRecord, read_head};
use super::read::expirations;
use super::rocks::source::{ReadSource, ReadTier};
use super::time;
use super::visibility;
use crate::relationship::{ReadError, Revision, Timestamp};
use rocksdb::SnapshotWithThreadMode;

/// A time whose revision cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum TimeError {
    /// Its history has been collected, or is about to be.
    #[error("the time {time} lies before the history that is kept, which begins at {oldest}")]
    Expired {
        /// The time asked for.
        time: Timestamp,
        /// The oldest one that can be asked for.
        oldest: Timestamp,
    },
    /// It has not come yet.
    #[error("the time {time} lies in the future: it is {now}")]
    Future {
        /// The time asked for.
        time: Timestamp,
        /// The present time.
        now: Timestamp,
    },
    /// The store cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

impl Store {
    /// The last revision that was visible at a time: what reads at that time saw. No revision that becomes visible later
    /// counts as visible at that time.
    pub fn revision_at(&self, time: Timestamp, now: Timestamp) -> Result<Revision, TimeError> {
        if time > now {
            return Err(TimeError::Future { time, now });
        }
        let wanted = time::revision_of(time);
        let (head, collected) = self.newest_head()?;
        let window = time::before(now, self.history_window());
        match window.max(Some(head.horizon.time())).max(collected) {
            Some(oldest) if time < oldest => return Err(TimeError::Expired { time, oldest }),
            Some(_) | None => {}
        }

        let stored = || {
            let frozen = SnapshotWithThreadMode::new(self.db());
            visibility::stored_batch(
                ReadSource::snapshot(self.db(), &frozen, ReadTier::Disk),
                wanted,
            )
        };
        let revision = self.visibility().revision_at(wanted, stored)?;
        Ok(revision.max(head.horizon))
    }

    /// The head, and the time up to which expirations have been dropped.
    fn newest_head(&self) -> Result<(HeadRecord, Option<Timestamp>), ReadError> {
        let frozen = SnapshotWithThreadMode::new(self.db());
        let source = ReadSource::snapshot(self.db(), &frozen, ReadTier::Disk);
        Ok((read_head(source)?, expirations::collected(source)?))
    }
}
