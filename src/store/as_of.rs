//! Revisions by the time of day.

use super::expirations;
use super::handle::{Store, read_head};
use super::rocks::{Reach, Source};
use super::time;
use super::values::Head;
use super::visibility::stored_batch;
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
            stored_batch(Source::snapshot(self.db(), &frozen, Reach::Disk), wanted)
        };
        let revision = self.visibility().revision_at(wanted, stored)?;
        Ok(revision.max(head.horizon))
    }

    /// The head, and up to which time expirations have been forgotten.
    fn newest_head(&self) -> Result<(Head, Option<Timestamp>), ReadError> {
        let frozen = SnapshotWithThreadMode::new(self.db());
        let source = Source::snapshot(self.db(), &frozen, Reach::Disk);
        Ok((read_head(source)?, expirations::collected(source)?))
    }
}
