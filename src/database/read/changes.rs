//! Change feed: reads the change log and expirations from a position, for Watch.

use super::change_position::WatchPosition;
use super::view::View;
use crate::database::error::DatabaseError;
use crate::database::guards::require_filter;
use crate::relationship::{
    Context, Relationship, RelationshipFilter, RelationshipUpdate, Revision, Timestamp,
    UpdateOperation,
};
use crate::store::{ChangeLogEntry, ChangePosition, ExpirationPage, Pin};
use std::sync::Arc;
use std::sync::atomic::Ordering;

/// Protects the changes after a position from garbage collection until it is dropped.
#[derive(Debug)]
pub struct ChangesPin {
    _revision: Pin,
    _expirations: Option<Pin<Timestamp>>,
}

/// A page of the change feed.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// The changes, oldest first.
    pub parts: Vec<RevisionChanges>,
    /// The position after them.
    pub through: WatchPosition,
    /// Whether it is the position of the view: nothing more can be read from it.
    pub complete: bool,
    /// When to read again because of an expiration, if there may be one and the position has expirations.
    pub next_expiration: Option<Timestamp>,
}

/// The changes of one revision, or a part of them; or the expirations while it was the newest revision.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionChanges {
    /// The revision.
    pub revision: Revision,
    /// The changed relationships. Empty when the revision changed something else, or all were delivered before.
    pub updates: Vec<RelationshipChange>,
    /// Whether the revision wrote a schema; set on each part.
    pub schema_written: bool,
    /// The metadata of the write; set on each part.
    pub metadata: Option<Context>,
    /// The name of who made the write, if it is known; set on each part. Expirations have none.
    pub writer: Option<Arc<str>>,
    /// Whether this is the last part of the revision.
    pub ends: bool,
    /// The position after the updates, before the end of the revision.
    pub within: WatchPosition,
    /// The position after this part.
    pub through: WatchPosition,
}

/// A relationship that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct RelationshipChange {
    /// A touch of a relationship that was created or got another caveat or expiration, or a delete.
    pub update: RelationshipUpdate,
    /// Whether it is a delete because of an expiration. The relationship then carries the time.
    pub expired: bool,
}

impl View<'_> {
    /// The changes after a position and up to the revision of the view, oldest first; for a position with expirations, also
    /// what expired by the view's time. Reads about `count_max` changes: continue from [`Changes::through`] until they are
    /// complete.
    ///
    /// The changes of a revision keep their order. Expirations come before the changes of the next revision that was written
    /// later, if they are known by then; a relationship that had expired when it was written expires right after its touch.
    /// Each expiration comes once, however the feed is paged.
    ///
    /// # Errors
    ///
    /// A position whose changes were collected, or one in the future.
    pub fn changes(
        &self,
        after: &WatchPosition,
        count_max: usize,
    ) -> Result<Changes, DatabaseError> {
        self.require_changes(after)?;
        self.database.state.change_log_reads.fetch_add(1, Ordering::Relaxed);
        let page = self.snapshot.changes(after.change, count_max)?;
        let next = match page.last() {
            Some((last, _)) => self.snapshot.changes(*last, 1)?.first().map(|(next, _)| *next),
            None => None,
        };

        let mut collector =
            ChangeCollector { view: self, position: after.clone(), parts: Vec::new(), count_max };
        let all = collector.add_revisions(by_revision(after, page), next.map(|it| it.revision))?;
        let complete = all && next.is_none() && collector.add_latest_expirations()?;

        let ChangeCollector { position, parts, .. } = collector;
        debug_assert!(position.change >= after.change, "the change feed never moves back");
        let next_expiration = match &position.expirations {
            Some(expirations) => self.snapshot.next_expiration(expirations)?,
            None => None,
        };
        Ok(Changes { parts, through: position, complete, next_expiration })
    }

    /// Pins the changes after a position against garbage collection.
    pub fn pin_changes(&self, position: &WatchPosition) -> ChangesPin {
        let store = &self.database.store;
        let expirations = position.expirations.as_ref();
        ChangesPin {
            _revision: store.pin(position.pinned_revision()),
            _expirations: expirations.map(|position| store.pin_expirations(position.time())),
        }
    }

    /// Requires that each filter has a condition and names only what the schema defines.
    pub fn require_filters(&self, filters: &[RelationshipFilter]) -> Result<(), DatabaseError> {
        filters.iter().try_for_each(|filter| require_filter(self.schema(), filter))
    }

    /// Requires that all changes after a position are kept, and that the position is not in the future.
    pub fn require_changes(&self, position: &WatchPosition) -> Result<(), DatabaseError> {
        let (revision, oldest) = (position.revision(), self.oldest_revision());
        if position.pinned_revision() < oldest {
            return Err(DatabaseError::RevisionExpired { revision, oldest });
        }
        if revision > self.revision() {
            return Err(DatabaseError::RevisionFuture { revision, newest: self.revision() });
        }

        let Some(after) = position.expirations_until() else { return Ok(()) };
        match self.snapshot.expirations_collected()? {
            Some(oldest) if after < oldest => {
                Err(DatabaseError::ExpirationsCollected { after, oldest })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Changes in order, each with its position.
type PositionedChanges = Vec<(ChangePosition, ChangeLogEntry)>;

/// Groups changes by revision. A revision that `after` is within has a group even when no change of it is left.
fn by_revision(
    after: &WatchPosition,
    page: PositionedChanges,
) -> Vec<(Revision, PositionedChanges)> {
    let mut groups: Vec<(Revision, PositionedChanges)> = Vec::new();
    if after.change.is_within() {
        groups.push((after.revision(), Vec::new()));
    }

    for entry in page {
        match groups.last_mut() {
            Some((revision, entries)) if *revision == entry.0.revision => entries.push(entry),
            Some(_) | None => groups.push((entry.0.revision, vec![entry])),
        }
    }
    groups
}

/// Collects a page of the change feed.
struct ChangeCollector<'g, 'd> {
    view: &'g View<'d>,
    /// The position after the collected changes.
    position: WatchPosition,
    parts: Vec<RevisionChanges>,
    count_max: usize,
}

impl ChangeCollector<'_, '_> {
    /// Adds the changes of these revisions, and the expirations between them. `next` is the revision of the next change:
    /// the last group may be only a part of it. `false` when there were more expirations than fit into the page.
    fn add_revisions(
        &mut self,
        groups: Vec<(Revision, PositionedChanges)>,
        next: Option<Revision>,
    ) -> Result<bool, DatabaseError> {
        for (revision, entries) in groups {
            let is_begun = self.position.change.is_within();
            if !is_begun && !self.add_expirations(revision.time())? {
                return Ok(false);
            }
            self.add_revision(revision, entries, is_begun, next != Some(revision))?;
        }
        Ok(true)
    }

    /// Adds the expirations since the last change, once all changes are added. `false` when they do not fit into the page.
    fn add_latest_expirations(&mut self) -> Result<bool, DatabaseError> {
        self.position.change = ChangePosition::after(self.view.revision());
        self.add_expirations(self.view.now())
    }

    fn add_revision(
        &mut self,
        revision: Revision,
        entries: PositionedChanges,
        is_begun: bool,
        ends: bool,
    ) -> Result<(), DatabaseError> {
        let repeated = if is_begun { self.revision_header(revision)? } else { Vec::new() };
        let (mut updates, mut schema_written) = (Vec::new(), false);
        let (mut metadata, mut writer) = (None, None);
        if let Some((last, _)) = entries.last() {
            self.position.change = *last;
        }

        for change in repeated.into_iter().chain(entries.into_iter().map(|(_, change)| change)) {
            match change {
                ChangeLogEntry::Relationship(update) => self.add_update(update, &mut updates),
                ChangeLogEntry::Schema => schema_written = true,
                ChangeLogEntry::Metadata(written) => metadata = Some(written),
                ChangeLogEntry::Writer(name) => writer = Some(name),
            }
        }

        let within = self.position.clone();
        if ends {
            self.position.change = ChangePosition::after(revision);
        }
        let through = self.position.clone();
        self.parts.push(RevisionChanges {
            revision,
            updates,
            schema_written,
            metadata,
            writer,
            ends,
            within,
            through,
        });
        Ok(())
    }

    /// The writer, the metadata and the schema write of a revision that the position is within, to be repeated on its next
    /// part.
    fn revision_header(&self, revision: Revision) -> Result<Vec<ChangeLogEntry>, DatabaseError> {
        /// They come first, each at most once.
        const HEADER: usize = 3;
        let first = self.view.snapshot.changes(ChangePosition::before(revision), HEADER)?;
        let delivered = first.into_iter().filter(|(at, _)| *at <= self.position.change);
        let delivered = delivered.map(|(_, change)| change);
        Ok(delivered.filter(|change| !matches!(change, ChangeLogEntry::Relationship(_))).collect())
    }

    /// Adds an update, and its expiration when the position is already after that.
    fn add_update(&self, update: RelationshipUpdate, updates: &mut Vec<RelationshipChange>) {
        let until = self.position.expirations_until();
        let expires_at = update.relationship.expires_at;
        let expired = expires_at.zip(until).is_some_and(|(at, until)| at <= until);
        let key = expired.then(|| Relationship { caveat: None, ..update.relationship.clone() });

        updates.push(RelationshipChange { update, expired: false });
        updates.extend(key.map(expiration));
    }

    /// Adds the expirations up to a time at the current revision, if the position has expirations. `false` when there may be
    /// more.
    fn add_expirations(&mut self, until: Timestamp) -> Result<bool, DatabaseError> {
        let Some(after) = &self.position.expirations else { return Ok(true) };
        let (view, until) = (self.view, until.min(self.view.now()));
        let revision = self.position.revision();
        let ExpirationPage { found, through, complete } =
            view.snapshot.expirations(revision, after, until, self.count_max)?;
        self.position.expirations = Some(through);

        if !found.is_empty() {
            self.parts.push(RevisionChanges {
                revision,
                updates: found.into_iter().map(expiration).collect(),
                schema_written: false,
                metadata: None,
                writer: None,
                ends: false,
                within: self.position.clone(),
                through: self.position.clone(),
            });
        }
        Ok(complete)
    }
}

fn expiration(relationship: Relationship) -> RelationshipChange {
    let update = RelationshipUpdate { operation: UpdateOperation::Delete, relationship };
    RelationshipChange { update, expired: true }
}
