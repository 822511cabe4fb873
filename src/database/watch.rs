//! What changed since a revision, for those who follow the database.

use super::error::DatabaseError;
use super::view::View;
use crate::relationship::{Context, RelationshipUpdate, Revision};
use crate::store::{Change, ChangePosition};

/// How far somebody who follows the database has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchPosition(ChangePosition);

impl WatchPosition {
    /// Behind everything that a revision changed.
    pub fn after(revision: Revision) -> Self {
        Self(ChangePosition::after(revision))
    }

    /// The revision whose changes were given last.
    pub fn revision(self) -> Revision {
        self.0.revision
    }
}

/// What one revision changed, or a part of it.
#[derive(Clone, Debug, PartialEq)]
pub struct RevisionChanges {
    /// The revision.
    pub revision: Revision,
    /// The relationships that came or changed, as touches, and those that went, as deletes.
    pub updates: Vec<RelationshipUpdate>,
    /// Whether a schema was written.
    pub schema_written: bool,
    /// What the writer said about the change.
    pub metadata: Option<Context>,
}

impl RevisionChanges {
    fn of(revision: Revision) -> Self {
        Self { revision, updates: Vec::new(), schema_written: false, metadata: None }
    }

    fn add(&mut self, change: Change) {
        match change {
            Change::Relationship(update) => self.updates.push(update),
            Change::Schema => self.schema_written = true,
            Change::Metadata(metadata) => self.metadata = Some(metadata),
        }
    }
}

impl View<'_> {
    /// What was changed behind `after` and up to this view's revision, oldest first, and how far that goes. Gives at
    /// most `count_max` changes, so the last revision given may have more of them: ask again until nothing comes. A
    /// revision that changed nothing is left out.
    ///
    /// Changes before [`View::oldest_revision`] are no longer known, and asking for them is refused.
    pub fn changes(
        &self,
        after: WatchPosition,
        count_max: usize,
    ) -> Result<(Vec<RevisionChanges>, WatchPosition), DatabaseError> {
        let (revision, oldest) = (after.revision(), self.oldest_revision());
        if revision < oldest {
            return Err(DatabaseError::RevisionExpired { revision, oldest });
        }
        let mut found: Vec<RevisionChanges> = Vec::new();
        let mut last = after;
        for (position, change) in self.snapshot.changes(after.0, count_max)? {
            last = WatchPosition(position);
            if found.last().is_none_or(|changes| changes.revision != position.revision) {
                found.push(RevisionChanges::of(position.revision));
            }
            if let Some(changes) = found.last_mut() {
                changes.add(change);
            }
        }
        Ok((found, last))
    }
}
