//! Prepared revisions: rows that are written in pieces, with other writes in between, and become visible at once.
//!
//! A write of any number of rows would hold up all others for as long as it takes. So its rows are prepared: the writer adds
//! them in short turns, and they carry a *mark* in place of the revision that creates them, which is not known yet. A mark
//! is a number that no revision reaches, so no read shows its rows, and its entries of the change log lie after all others.
//! The last step is a write like any other: it publishes the mark at its own revision, by one record. From then on the mark
//! stands for that revision, until garbage collection has passed it: every readable revision shows the rows then.
//!
//! A row of a mark that is not published lies in the place of its key, but does not exist. A write that creates the same
//! relationship takes the place; then the mark can no longer be published.
//!
//! A deletion is prepared likewise: its rows are moved to the deleted ones, with the mark in place of the revision that removes
//! them. Until that is published they exist, and reads look for them there. A write that changes one of them moves it back
//! first. An entry of the change log under such a mark counts only while there is a deleted row under the mark.

use super::layout::corrupt_bytes::CorruptBytes;
use super::layout::keys::{NameId, RowKey};
use super::layout::meta_keys;
use super::layout::values;
use super::rocks::column_family::ColumnFamily;
use super::rocks::source::ReadSource;
use crate::relationship::{ReadError, Revision};
use std::sync::Arc;

/// The bit that marks have and revisions lack: those count nanoseconds, and reach it in the year 2262.
const MARK: u64 = 1 << 63;
/// The bit that marks of deletions have besides.
const DELETION: u64 = 1 << 62;

/// Below every mark, and not below any revision.
pub(super) const BELOW_MARKS: Revision = Revision(MARK - 1);
/// The lowest number of a mark of a deletion.
pub(super) const FIRST_DELETION: Revision = Revision(MARK | DELETION);

/// What a prepared revision does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PreparedKind {
    Creation,
    Deletion,
}

/// The prepared revisions of a store that has none.
pub(super) static NONE_PREPARED: PreparedRevisions =
    PreparedRevisions { generation: 0, entries: Vec::new() };

/// The prepared revisions, in short, as the head record has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct PreparedSummary {
    /// How often they have changed. Never reset, so that no mark is given twice.
    pub(super) generation: u64,
    /// How many are not published.
    pub(super) pending: u64,
    /// No later revision has published one.
    pub(super) newest: Revision,
}

impl PreparedSummary {
    pub(super) fn numbers(self) -> [u64; 3] {
        [self.generation, self.pending, self.newest.0]
    }

    pub(super) fn from_bytes(bytes: &[u8]) -> Result<Self, CorruptBytes> {
        let (generation, rest) = values::split_revision(bytes)?;
        let (pending, rest) = values::split_revision(rest)?;
        match values::split_revision(rest)? {
            (newest, []) => Ok(Self { generation: generation.0, pending: pending.0, newest }),
            _ => Err(CorruptBytes("the head record continues after its end")),
        }
    }

    /// Whether a read at a revision can distinguish the rows of a mark from others only by the state of the mark.
    pub(super) fn concerns(self, revision: Revision) -> bool {
        self.pending > 0 || self.newest > revision
    }
}

/// What has become of a prepared revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum PreparedState {
    /// Its rows do not exist yet.
    Pending {
        /// The key in `live` of a row whose place another write has taken.
        taken: Option<Arc<[u8]>>,
        /// The rows of a deletion that other writes have moved back.
        reclaimed: ReclaimedRows,
    },
    /// Its rows will never exist, and are being removed.
    Abandoned,
    /// Its rows exist since a revision.
    Published(Revision),
}

/// How many rows of a deletion other writes have moved back.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct ReclaimedRows {
    /// The type and id of an object whose rows as a resource are counted apart.
    pub(super) resource: Option<(NameId, Arc<str>)>,
    pub(super) all: u64,
    pub(super) of_resource: u64,
}

/// The prepared revisions of a store, in the order of their marks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PreparedRevisions {
    generation: u64,
    entries: Vec<(Revision, PreparedState)>,
}

impl PreparedRevisions {
    /// Reads what is stored; `summary` is from the same state. What is not published may only be removed.
    pub(super) fn read(
        source: ReadSource<'_>,
        summary: PreparedSummary,
    ) -> Result<Self, ReadError> {
        let mut entries = Vec::new();
        let mut cursor = source.cursor(ColumnFamily::Meta, meta_keys::PREPARED_PREFIX)?;
        cursor.seek(meta_keys::PREPARED_PREFIX);
        while let Some((key, value)) = cursor.item()? {
            let mark = key.strip_prefix(meta_keys::PREPARED_PREFIX).unwrap_or_default();
            let (mark, _) = values::split_revision(mark)?;
            entries.push((mark, PreparedState::from_bytes(value)?));
            cursor.advance();
        }
        Ok(Self { generation: summary.generation, entries })
    }

    /// How often they have changed.
    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    /// Adds one, and returns its mark.
    pub(super) fn begin(&mut self, kind: PreparedKind) -> Revision {
        self.generation += 1;
        let kind = match kind {
            PreparedKind::Creation => 0,
            PreparedKind::Deletion => DELETION,
        };
        let mark = Revision(MARK | kind | self.generation);
        let place = self.entries.partition_point(|(known, _)| *known < mark);
        self.entries.insert(place, (mark, PreparedState::pending()));
        mark
    }

    pub(super) fn publish(&mut self, mark: Revision, revision: Revision) {
        self.generation += 1;
        self.set(mark, PreparedState::Published(revision));
    }

    /// Marks one as abandoned, unless it was published.
    pub(super) fn abandon(&mut self, mark: Revision) {
        if self.is_pending(mark) {
            self.set(mark, PreparedState::Abandoned);
        }
    }

    /// Marks all as abandoned that are not published.
    pub(super) fn abandon_all(&mut self) {
        for (_, state) in &mut self.entries {
            if matches!(state, PreparedState::Pending { .. }) {
                *state = PreparedState::Abandoned;
            }
        }
    }

    /// Removes one of which nothing is left, or which every readable revision shows.
    pub(super) fn forget(&mut self, mark: Revision) {
        self.generation += 1;
        self.entries.retain(|(known, _)| *known != mark);
    }

    /// Records that the place of a pending row is taken.
    pub(super) fn take(&mut self, mark: Revision, key: &[u8]) {
        if let Some(PreparedState::Pending { taken, .. }) = self.state_mut(mark) {
            taken.get_or_insert_with(|| key.into());
        }
    }

    /// Counts the rows of a deletion apart that have this object as resource.
    pub(super) fn count_apart(&mut self, mark: Revision, object_type: NameId, object_id: &str) {
        if let Some(PreparedState::Pending { reclaimed, .. }) = self.state_mut(mark) {
            reclaimed.resource = Some((object_type, object_id.into()));
        }
    }

    /// Counts a row of a deletion that another write has moved back.
    pub(super) fn reclaim(&mut self, mark: Revision, row: &RowKey<'_>) {
        if let Some(PreparedState::Pending { reclaimed, .. }) = self.state_mut(mark) {
            reclaimed.all += 1;
            reclaimed.of_resource += u64::from(reclaimed.counts_apart(row));
        }
    }

    pub(super) fn state(&self, mark: Revision) -> Option<&PreparedState> {
        let found = self.entries.binary_search_by_key(&mark, |(known, _)| *known).ok()?;
        self.entries.get(found).map(|(_, state)| state)
    }

    /// Those that are not published, abandoned ones included.
    pub(super) fn unpublished(&self) -> impl Iterator<Item = Revision> {
        let unpublished = |(mark, state): &(Revision, PreparedState)| {
            (!matches!(state, PreparedState::Published(_))).then_some(*mark)
        };
        self.entries.iter().filter_map(unpublished)
    }

    /// The deletions that are not published: their rows exist, and lie among the deleted ones.
    pub(super) fn unpublished_deletions(&self) -> impl Iterator<Item = Revision> {
        self.unpublished().filter(|mark| *mark >= FIRST_DELETION)
    }

    /// Whether any deletion is known, published or not.
    pub(super) fn has_deletions(&self) -> bool {
        self.entries.last().is_some_and(|(mark, _)| *mark >= FIRST_DELETION)
    }

    /// One that is abandoned.
    pub(super) fn abandoned(&self) -> Option<Revision> {
        let abandoned = self.entries.iter().find(|(_, state)| *state == PreparedState::Abandoned);
        abandoned.map(|(mark, _)| *mark)
    }

    /// Those that were published at or before a revision.
    pub(super) fn published_until(&self, last: Revision) -> Vec<Revision> {
        let old =
            |state: &PreparedState| matches!(state, PreparedState::Published(at) if *at <= last);
        self.entries.iter().filter(|(_, state)| old(state)).map(|(mark, _)| *mark).collect()
    }

    /// Whether what was done at this revision or under this mark has been done at a revision.
    pub(super) fn is_done(&self, done: Revision, at: Revision) -> bool {
        if done.0 & MARK == 0 {
            return done <= at;
        }
        match self.state(done) {
            Some(PreparedState::Published(revision)) => *revision <= at,
            Some(PreparedState::Pending { .. } | PreparedState::Abandoned) => false,
            // Every readable revision comes after it.
            None => true,
        }
    }

    /// Whether a row that was created under this mark does not exist.
    pub(super) fn hides(&self, created: Revision) -> bool {
        !self.is_done(created, BELOW_MARKS)
    }

    pub(super) fn has_unpublished(&self) -> bool {
        self.unpublished().next().is_some()
    }

    /// What the head record is to say; `newest` is what it said last.
    pub(super) fn summary(&self, newest: Revision) -> PreparedSummary {
        let pending = u64::try_from(self.unpublished().count()).unwrap_or(u64::MAX);
        PreparedSummary { generation: self.generation, pending, newest }
    }

    fn is_pending(&self, mark: Revision) -> bool {
        matches!(self.state(mark), Some(PreparedState::Pending { .. }))
    }

    fn set(&mut self, mark: Revision, new: PreparedState) {
        if let Some(state) = self.state_mut(mark) {
            *state = new;
        }
    }

    fn state_mut(&mut self, mark: Revision) -> Option<&mut PreparedState> {
        self.entries.iter_mut().find(|(known, _)| *known == mark).map(|(_, state)| state)
    }
}

impl ReclaimedRows {
    /// Whether a row has the object as resource whose rows are counted apart.
    pub(super) fn counts_apart(&self, row: &RowKey<'_>) -> bool {
        let is_of = |(object_type, object_id): &(NameId, Arc<str>)| {
            row.resource_type == *object_type && row.resource_id == &**object_id
        };
        self.resource.as_ref().is_some_and(is_of)
    }
}

impl PreparedState {
    fn pending() -> Self {
        Self::Pending { taken: None, reclaimed: ReclaimedRows::default() }
    }

    /// The value in `meta`.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![values::VERSION];
        if let Self::Published(revision) = self {
            bytes.extend(revision.0.to_be_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Result<Self, CorruptBytes> {
        let rest = values::versioned(bytes)?;
        if rest.is_empty() {
            return Ok(Self::pending());
        }
        match values::split_revision(rest)? {
            (revision, []) => Ok(Self::Published(revision)),
            _ => Err(CorruptBytes("a prepared revision continues after its end")),
        }
    }
}
