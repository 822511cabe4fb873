//! When revisions became visible, so that "as of a time" shows what reads at that time did.
//!
//! The number of a revision is the time at which its write began. It becomes visible later: after the commit of its batch,
//! which can be long after for a large write. A read in between does not see it. So a time stands for the last revision
//! that was visible by then. The time at which a batch became visible is read after its commit and before its writes are
//! acknowledged; it is stored with the next batch.

use super::layout::meta_keys;
use super::rocks::column_family::ColumnFamily;
use super::rocks::source::ReadSource;
use crate::relationship::{ReadError, Revision};
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// How many batches are kept in memory. The newest one may not be stored yet.
const RECENT_MAX: usize = 8;
/// A batch that became visible so many nanoseconds after it began is noted on disk at once, and not with the next one.
const LONG: u64 = 100_000_000;

/// Revisions that became visible together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct VisibleBatch {
    first: Revision,
    /// When they did, as the number of a revision.
    visible: u64,
}

impl VisibleBatch {
    /// Its record in `meta`, key and value, unless it was visible as soon as it began.
    pub(super) fn record(self) -> Option<(Vec<u8>, [u8; 8])> {
        let is_late = self.visible > self.first.0;
        is_late.then(|| (meta_keys::visible(self.first), self.visible.to_be_bytes()))
    }

    /// Whether it began long before it became visible.
    pub(super) fn took_long(self) -> bool {
        self.visible.saturating_sub(self.first.0) > LONG
    }
}

/// When the newest revisions became visible.
#[derive(Debug, Default)]
pub(super) struct Visibility(Mutex<VisibilityState>);

#[derive(Debug, Default)]
struct VisibilityState {
    /// The first revision of the batch that is being made.
    under_way: Option<Revision>,
    /// The batches before it, oldest first.
    recent: VecDeque<VisibleBatch>,
    /// The latest time that was asked for: no revision is numbered, and none becomes visible, at or before it any more.
    promised: u64,
}

impl Visibility {
    /// The number of a write that begins now, within the batch that is being made. `last` is the newest revision.
    pub(super) fn number(&self, last: Revision, now: Revision) -> Revision {
        let mut state = self.lock();
        let visible = state.recent.back().map_or(0, |batch| batch.visible);
        let after = last.0.max(visible).max(state.promised);
        let number = now.max(Revision(after.saturating_add(1)));
        state.under_way.get_or_insert(number);
        number
    }

    /// The batch has been committed by the time `now`; `last` is its last revision.
    pub(super) fn finish(&self, last: Revision, now: Revision) -> Option<VisibleBatch> {
        let mut state = self.lock();
        let first = state.under_way.take()?;
        let mut visible = now.max(last).0;
        if state.promised >= first.0 {
            visible = visible.max(state.promised.saturating_add(1));
        }
        let batch = VisibleBatch { first, visible };
        debug_assert!(
            state.recent.back().is_none_or(|before| before.visible < first.0),
            "a batch begins after the one before it is visible"
        );
        state.recent.push_back(batch);
        if state.recent.len() > RECENT_MAX {
            state.recent.pop_front();
        }
        Some(batch)
    }

    /// The batch makes no revision.
    pub(super) fn cancel(&self) {
        self.lock().under_way = None;
    }

    /// The batch that was committed last.
    pub(super) fn newest(&self) -> Option<VisibleBatch> {
        self.lock().recent.back().copied()
    }

    /// The last number of a revision that was visible at a time. What becomes visible from now on counts as later than
    /// that. `stored` finds a batch on disk that is none of the newest.
    pub(super) fn revision_at(
        &self,
        time: Revision,
        stored: impl FnOnce() -> Result<Option<VisibleBatch>, ReadError>,
    ) -> Result<Revision, ReadError> {
        let recent = {
            // Promised and looked up under one lock: a batch that took its number in between could become visible at the time
            // that is answered here. The disk is read after the lock is released, because the writer waits for it.
            let mut state = self.lock();
            state.promised = state.promised.max(time.0);
            if let Some(first) = state.under_way.filter(|first| *first <= time) {
                return Ok(before(first));
            }
            state.recent.iter().rev().find(|batch| batch.first <= time).copied()
        };
        let batch = match recent {
            Some(batch) => Some(batch),
            // What leaves the memory has been stored before.
            None => stored()?,
        };
        Ok(match batch {
            Some(VisibleBatch { first, visible }) if visible > time.0 => before(first),
            Some(_) | None => time,
        })
    }

    /// The state for the store that is opened after this one.
    pub(super) fn release(&self) -> Self {
        let state = std::mem::take(&mut *self.lock());
        // Whether a batch in progress was committed is read from disk.
        Self(Mutex::new(VisibilityState { under_way: None, ..state }))
    }

    /// Continues from what was known before the store was closed.
    pub(super) fn take_over(&self, earlier: &Self) {
        *self.lock() = std::mem::take(&mut *earlier.lock());
    }

    fn lock(&self) -> MutexGuard<'_, VisibilityState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn before(first: Revision) -> Revision {
    Revision(first.0.saturating_sub(1))
}

/// The last batch that is stored and began at or before a time.
pub(super) fn stored_batch(
    source: ReadSource<'_>,
    time: Revision,
) -> Result<Option<VisibleBatch>, ReadError> {
    let mut cursor = source.cursor(ColumnFamily::Meta, &[])?;
    cursor.seek_back(&meta_keys::visible(time));
    match cursor.item()? {
        Some(item) => Ok(decode_batch(item)?),
        None => Ok(None),
    }
}

/// The batch of a record in `meta`; `None` for other records.
fn decode_batch((key, value): (&[u8], &[u8])) -> Result<Option<VisibleBatch>, ReadError> {
    let Some(first) = key.strip_prefix(meta_keys::VISIBLE_PREFIX) else { return Ok(None) };
    let number = |bytes: &[u8]| {
        let bytes = bytes.try_into().map_err(|_| ReadError::new("a time of visibility is cut"));
        bytes.map(u64::from_be_bytes)
    };
    Ok(Some(VisibleBatch { first: Revision(number(first)?), visible: number(value)? }))
}

/// The key of a record that is not needed for revisions after the horizon.
pub(super) fn old_record(
    (key, value): (&[u8], &[u8]),
    horizon: Revision,
) -> Result<Option<Vec<u8>>, ReadError> {
    let batch = decode_batch((key, value))?;
    let is_old = batch.is_some_and(|batch| batch.visible <= horizon.0);
    Ok(is_old.then(|| key.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(visibility: &Visibility, time: u64) -> u64 {
        visibility.revision_at(Revision(time), || Ok(None)).unwrap().0
    }

    #[test]
    fn a_time_shows_what_was_visible_by_then() {
        let visibility = Visibility::default();
        assert_eq!(visibility.number(Revision(0), Revision(100)), Revision(100));
        assert_eq!(visibility.number(Revision(100), Revision(100)), Revision(101));
        assert_eq!((at(&visibility, 99), at(&visibility, 150)), (99, 99), "it is being made");
        visibility.finish(Revision(101), Revision(120));
        assert_eq!(at(&visibility, 150), 99, "the answer stays the same");
        assert_eq!(at(&visibility, 151), 151);

        assert_eq!(visibility.number(Revision(101), Revision(130)), Revision(152));
        visibility.cancel();
        assert_eq!(visibility.number(Revision(101), Revision(200)), Revision(200));
        visibility.finish(Revision(200), Revision(300));
        assert_eq!((at(&visibility, 199), at(&visibility, 299)), (199, 199));
        assert_eq!(at(&visibility, 300), 300);
    }
}
