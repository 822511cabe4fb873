//! What changed since a moment, for those who follow the database.

use crate::database::error::DatabaseError;
use crate::database::read::view::{View, require_filter};
use crate::relationship::{
    Context, Relationship, RelationshipFilter, RelationshipUpdate, Revision, Timestamp,
    UpdateOperation,
};
use crate::store::{ChangeLogEntry, ChangePosition, ExpirationPage, ExpirationPosition, Pin};
use std::sync::atomic::Ordering;

/// How far somebody who follows the database has come: what a revision shows, or a part of what it changed, without what
/// has expired by a time.
///
/// Somebody who wants no expirations has every relationship of the revision, whether or not it has expired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WatchPosition {
    change: ChangePosition,
    expirations: Option<ExpirationPosition>,
}

/// As long as it lives, what comes behind a position stays known.
#[derive(Debug)]
pub struct ChangesPin {
    _revision: Pin,
    _expirations: Option<Pin<Timestamp>>,
}

/// What changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Changes {
    /// The changes, oldest first.
    pub parts: Vec<RevisionChanges>,
    /// How far they go.
    pub through: WatchPosition,
    /// Whether that is as far as the view goes.
    pub complete: bool,
    /// When to look for the next expiration, if there may be one and somebody wants it.
    pub next_expiration: Option<Timestamp>,
}

/// What one revision changed, or a part of it; or what expired while it was the newest one.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionChanges {
    /// The revision.
    pub revision: Revision,
    /// The relationships that changed. None when the revision changed something else, or what it changed has been given
    /// already.
    pub updates: Vec<RelationshipChange>,
    /// Whether the revision wrote a schema, told with each of its parts.
    pub schema_written: bool,
    /// What the writer said about the revision, told with each of its parts.
    pub metadata: Option<Context>,
    /// Whether this is the last of what the revision changed.
    pub ends: bool,
    /// Where to go on behind the updates, with the end of the revision still to come.
    pub within: WatchPosition,
    /// Where to go on behind all of this.
    pub through: WatchPosition,
}

/// A relationship that changed.
#[derive(Clone, Debug, PartialEq)]
pub struct RelationshipChange {
    /// A touch of one that came or has other terms, or a delete of one that went.
    pub update: RelationshipUpdate,
    /// Whether it went because it expired; it then carries the time.
    pub expired: bool,
}

impl WatchPosition {
    /// Behind everything that a revision changed.
    pub fn after(revision: Revision) -> Self {
        Self { change: ChangePosition::after(revision), expirations: None }
    }

    /// Behind everything that a revision changed, and everything that has expired by a time.
    pub fn at(revision: Revision, now: Timestamp) -> Self {
        let expirations = Some(ExpirationPosition::after(now));
        Self { expirations, ..Self::after(revision) }
    }

    /// The same for somebody who wants to know what expires. Where the position does not say up to which time that is
    /// known, it is the time of the revision, or `now` when that is earlier.
    #[must_use]
    pub fn with_expirations(self, now: Timestamp) -> Self {
        let known = || ExpirationPosition::after(self.revision().time().min(now));
        let expirations = self.expirations.clone().unwrap_or_else(known);
        Self { expirations: Some(expirations), ..self }
    }

    /// The same for somebody who does not care about expirations.
    #[must_use]
    pub fn without_expirations(self) -> Self {
        Self { expirations: None, ..self }
    }

    /// The revision whose changes were given last.
    pub fn revision(&self) -> Revision {
        self.change.revision
    }

    /// The time up to which it is known what expired, for somebody who wants to know.
    pub fn expirations_until(&self) -> Option<Timestamp> {
        self.expirations.as_ref().map(ExpirationPosition::time)
    }

    /// Whether another position lies before this one or is the same, in revisions as in time.
    pub fn reaches(&self, other: &Self) -> bool {
        let in_time = match (&self.expirations, &other.expirations) {
            (Some(here), Some(there)) => here == there || here.time() > there.time(),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.change >= other.change && in_time
    }

    /// The position in bytes: the revision alone where that says it all.
    pub fn to_bytes(&self) -> Vec<u8> {
        match &self.expirations {
            None if !self.change.is_within() => self.revision().0.to_be_bytes().to_vec(),
            None => self.change.to_bytes(),
            Some(expirations) => [self.change.to_bytes(), expirations.to_bytes()].concat(),
        }
    }

    /// Reads a position; `None` for bytes that are none.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        if let Ok(revision) = bytes.try_into() {
            return Some(Self::after(Revision(u64::from_be_bytes(revision))));
        }
        let (change, rest) = ChangePosition::take(bytes)?;
        let expirations = match rest {
            [] => None,
            rest => Some(ExpirationPosition::from_bytes(rest)?),
        };
        Some(Self { change, expirations })
    }

    /// The newest revision behind which everything must be known to go on from here.
    fn needed(&self) -> Revision {
        let within = u64::from(self.change.is_within());
        Revision(self.revision().0.saturating_sub(within))
    }
}

impl View<'_> {
    /// What was changed behind `after` and up to this view's revision, oldest first; for a position with expirations, also
    /// what expired by the view's time. Looks at most at about `count_max` changes, so ask again from where they end
    /// until they are complete.
    ///
    /// The changes of a revision come in their order. What expired comes before the changes of the next revision that was
    /// made later, if it is known by then; what had expired when it was written, right behind its touch. Each expiration
    /// comes once, however the asking is cut.
    ///
    /// Asking behind what is still known is refused.
    pub fn changes(
        &self,
        after: &WatchPosition,
        count_max: usize,
    ) -> Result<Changes, DatabaseError> {
        self.require_changes(after)?;
        self.database.change_log_reads.fetch_add(1, Ordering::Relaxed);
        let page = self.snapshot.changes(after.change, count_max)?;
        let next = match page.last() {
            Some((last, _)) => self.snapshot.changes(*last, 1)?.first().map(|(next, _)| *next),
            None => None,
        };
        let mut gathering =
            ChangeCollector { view: self, position: after.clone(), parts: Vec::new(), count_max };
        let all = gathering.revisions(by_revision(after, page), next.map(|next| next.revision))?;
        let complete = all && gathering.rest(next.is_none())?;
        let ChangeCollector { position, parts, .. } = gathering;
        let next_expiration = match &position.expirations {
            Some(expirations) => self.snapshot.next_expiration(expirations)?,
            None => None,
        };
        Ok(Changes { parts, through: position, complete, next_expiration })
    }

    /// Keeps what comes behind a position known.
    pub fn pin_changes(&self, position: &WatchPosition) -> ChangesPin {
        let store = &self.database.store;
        let expirations = position.expirations.as_ref();
        ChangesPin {
            _revision: store.pin(position.needed()),
            _expirations: expirations.map(|position| store.pin_expirations(position.time())),
        }
    }

    /// Requires that each filter has a condition and names only what the schema has.
    pub fn require_filters(&self, filters: &[RelationshipFilter]) -> Result<(), DatabaseError> {
        filters.iter().try_for_each(|filter| require_filter(self.schema(), filter))
    }

    /// Requires that everything that comes behind a position is known.
    pub fn require_changes(&self, position: &WatchPosition) -> Result<(), DatabaseError> {
        let (revision, oldest) = (position.revision(), self.oldest_revision());
        if position.needed() < oldest {
            return Err(DatabaseError::RevisionExpired { revision, oldest });
        }
        if revision > self.revision() {
            return Err(DatabaseError::RevisionFuture { revision, newest: self.revision() });
        }
        let Some(after) = position.expirations.as_ref().map(ExpirationPosition::time) else {
            return Ok(());
        };
        match self.snapshot.expirations_collected()? {
            Some(oldest) if after < oldest => {
                Err(DatabaseError::ExpirationsForgotten { after, oldest })
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Changes in their order, each with its place.
type Entries = Vec<(ChangePosition, ChangeLogEntry)>;

/// The changes by their revisions. A revision that `after` lies in is there even when nothing of it is left.
fn by_revision(after: &WatchPosition, page: Entries) -> Vec<(Revision, Entries)> {
    let mut groups: Vec<(Revision, Entries)> = Vec::new();
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

/// Changes that are being gathered.
struct ChangeCollector<'g, 'd> {
    view: &'g View<'d>,
    /// How far they go.
    position: WatchPosition,
    parts: Vec<RevisionChanges>,
    count_max: usize,
}

impl ChangeCollector<'_, '_> {
    /// Takes the changes of these revisions, of which the last one may go on: `next` is the revision of the next change.
    /// `false` when too much expired in between.
    fn revisions(
        &mut self,
        groups: Vec<(Revision, Entries)>,
        next: Option<Revision>,
    ) -> Result<bool, DatabaseError> {
        for (revision, entries) in groups {
            let begun = self.position.change.is_within();
            if !begun && !self.expire(revision.time())? {
                return Ok(false);
            }
            self.revision(revision, entries, begun, next != Some(revision))?;
        }
        Ok(true)
    }

    /// Takes what is left when all changes are there: what expired since. `false` when that is too much.
    fn rest(&mut self, all: bool) -> Result<bool, DatabaseError> {
        if !all {
            return Ok(false);
        }
        self.position.change = ChangePosition::after(self.view.revision());
        self.expire(self.view.now())
    }

    fn revision(
        &mut self,
        revision: Revision,
        entries: Entries,
        begun: bool,
        ends: bool,
    ) -> Result<(), DatabaseError> {
        let earlier = if begun { self.opening(revision)? } else { Vec::new() };
        let (mut updates, mut schema_written, mut metadata) = (Vec::new(), false, None);
        if let Some((last, _)) = entries.last() {
            self.position.change = *last;
        }
        for change in earlier.into_iter().chain(entries.into_iter().map(|(_, change)| change)) {
            match change {
                ChangeLogEntry::Relationship(update) => self.add(update, &mut updates),
                ChangeLogEntry::Schema => schema_written = true,
                ChangeLogEntry::Metadata(said) => metadata = Some(said),
            }
        }
        let within = self.position.clone();
        if ends {
            self.position.change = ChangePosition::after(revision);
        }
        let through = self.position.clone();
        let part =
            RevisionChanges { revision, updates, schema_written, metadata, ends, within, through };
        self.parts.push(part);
        Ok(())
    }

    /// What a revision says of itself before the position, which lies in it.
    fn opening(&self, revision: Revision) -> Result<Vec<ChangeLogEntry>, DatabaseError> {
        /// Metadata and schema come first, each at most once.
        const OPENING: usize = 2;
        let first = self.view.snapshot.changes(ChangePosition::before(revision), OPENING)?;
        let said = first.into_iter().filter(|(position, _)| *position <= self.position.change);
        let said = said.map(|(_, change)| change);
        Ok(said.filter(|change| !matches!(change, ChangeLogEntry::Relationship(_))).collect())
    }

    /// Takes an update, and its expiration when that lies behind already.
    fn add(&self, update: RelationshipUpdate, updates: &mut Vec<RelationshipChange>) {
        let told = self.position.expirations.as_ref().map(ExpirationPosition::time);
        let expired = update.relationship.expires_at.zip(told).is_some_and(|(at, told)| at <= told);
        let key = expired.then(|| Relationship { caveat: None, ..update.relationship.clone() });
        updates.push(RelationshipChange { update, expired: false });
        updates.extend(key.map(expiration));
    }

    /// Takes what expired by a time at the current revision, if that is wanted. `false` when there may be more.
    fn expire(&mut self, until: Timestamp) -> Result<bool, DatabaseError> {
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
