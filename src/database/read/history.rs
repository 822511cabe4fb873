//! The history of relationships: past changes, newest first, with who made them.

use super::change_position::WatchPosition;
use super::view::View;
use crate::database::error::DatabaseError;
use crate::database::guards::require_filter;
use crate::relationship::{
    Context, Relationship, RelationshipFilter, RelationshipScope, RelationshipUpdate, Revision,
    Timestamp,
};
use crate::store::{ChangeLogEntry, ChangePosition};
use std::sync::Arc;

/// How many entries of the change log are read at a time.
const READ_MAX: usize = 1_000;
/// How many entries of the change log one page may read, whether or not they are wanted.
const EXAMINED_MAX: usize = 20_000;
/// Writer and metadata are the first entries of a revision, each at most once.
const HEADER_ENTRIES: usize = 2;
/// A page ends once its metadata and contexts have about so many bytes.
const BYTES_MAX: usize = 1 << 20;

/// Which changes to read.
#[derive(Clone, Debug, Default)]
pub struct HistoryQuery {
    /// Changes of these relationships; `None` for all, and for those of the schema.
    pub filter: Option<RelationshipFilter>,
    /// Changes of relationships outside of it are left out, and so are schemas, writers and metadata.
    pub within: Option<Arc<RelationshipScope>>,
    /// Changes that were not written before this time.
    pub since: Option<Timestamp>,
    /// Changes that were not written after this time.
    pub until: Option<Timestamp>,
    /// Changes before this position.
    pub before: Option<WatchPosition>,
    /// The most changes of a page.
    pub count_max: usize,
}

/// A page of the history.
#[derive(Clone, Debug, PartialEq)]
pub struct HistoryPage {
    /// The changes, newest first.
    pub changes: Vec<PastChange>,
    /// Where the next page continues; `None` at the end of what is kept.
    pub next: Option<WatchPosition>,
    /// The time up to which changes are no longer kept; `None` when all are.
    pub kept_after: Option<Timestamp>,
}

/// A change of the past.
#[derive(Clone, Debug, PartialEq)]
pub struct PastChange {
    /// The revision that made it.
    pub revision: Revision,
    /// The change of a relationship: a touch, or a delete of a bare key; `None` for a write of the schema.
    pub update: Option<RelationshipUpdate>,
    /// The name of who made it, if it is known.
    pub writer: Option<Arc<str>>,
    /// The metadata of the write.
    pub metadata: Option<Context>,
}

impl View<'_> {
    /// The changes up to the revision of the view, newest first. A page may have fewer changes than it may have, even none,
    /// and still not be the last: each reads a bounded part of the change log.
    ///
    /// Expirations are no changes: a relationship carries its own.
    pub fn history(&self, query: &HistoryQuery) -> Result<HistoryPage, DatabaseError> {
        if let Some(filter) = &query.filter {
            require_filter(self.schema(), filter)?;
        }
        let horizon = self.oldest_revision();
        let kept_after = (horizon > Revision::default()).then(|| horizon.time());
        let mut pager =
            HistoryPager { view: self, query, changes: Vec::new(), bytes: 0, header: None };
        let next = pager.read(self.start(query))?;
        let changes = pager.changes;
        Ok(HistoryPage { changes, next, kept_after })
    }

    fn start(&self, query: &HistoryQuery) -> ChangePosition {
        let newest = ChangePosition::after(self.revision());
        let until = query.until.map(ChangePosition::at);
        let before = query.before.as_ref().map(|position| position.change);
        [until, before].into_iter().flatten().fold(newest, ChangePosition::min)
    }
}

/// What a revision says of all of its changes.
#[derive(Clone, Default)]
struct WriteHeader {
    writer: Option<Arc<str>>,
    metadata: Option<Context>,
}

/// Reads a page.
struct HistoryPager<'h, 'd> {
    view: &'h View<'d>,
    query: &'h HistoryQuery,
    changes: Vec<PastChange>,
    bytes: usize,
    /// The header of the revision that was read last.
    header: Option<(Revision, WriteHeader)>,
}

impl HistoryPager<'_, '_> {
    /// Reads back from a position; returns where to continue.
    fn read(&mut self, mut before: ChangePosition) -> Result<Option<WatchPosition>, DatabaseError> {
        let mut examined = 0;
        while examined < EXAMINED_MAX {
            let page = self.view.snapshot.changes_back(before, READ_MAX)?;
            if page.is_empty() {
                return Ok(None);
            }
            examined += page.len();

            for (position, entry) in page {
                let is_early = |since: Timestamp| position.revision.time() < since;
                if self.query.since.is_some_and(is_early) {
                    return Ok(None);
                }
                self.add(position.revision, entry)?;
                before = position;
                if self.changes.len() >= self.query.count_max || self.bytes >= BYTES_MAX {
                    return Ok(Some(WatchPosition::before(position)));
                }
            }
        }
        Ok(Some(WatchPosition::before(before)))
    }

    fn add(&mut self, revision: Revision, entry: ChangeLogEntry) -> Result<(), DatabaseError> {
        let update = match entry {
            ChangeLogEntry::Relationship(update) if self.wants(&update.relationship) => {
                Some(update)
            }
            ChangeLogEntry::Schema
                if self.query.filter.is_none() && self.query.within.is_none() =>
            {
                None
            }
            ChangeLogEntry::Relationship(_)
            | ChangeLogEntry::Schema
            | ChangeLogEntry::Metadata(_)
            | ChangeLogEntry::Writer(_) => return Ok(()),
        };

        let WriteHeader { writer, metadata } = self.header(revision)?;
        let context = update.as_ref().and_then(|update| update.relationship.caveat.as_ref());
        let contexts = [metadata.as_ref(), context.map(|caveat| &caveat.context)];
        let bytes = contexts.into_iter().flatten().map(|context| context.to_string().len());
        self.bytes += bytes.sum::<usize>();
        self.changes.push(PastChange { revision, update, writer, metadata });
        Ok(())
    }

    fn wants(&self, relationship: &Relationship) -> bool {
        let HistoryQuery { filter, within, .. } = self.query;
        filter.as_ref().is_none_or(|filter| filter.matches(relationship))
            && within.as_ref().is_none_or(|scope| scope.covers(relationship))
    }

    /// The header of a revision; empty where the caller may not see it.
    fn header(&mut self, revision: Revision) -> Result<WriteHeader, DatabaseError> {
        if self.query.within.is_some() {
            return Ok(WriteHeader::default());
        }
        if let Some((known, header)) = &self.header
            && *known == revision
        {
            return Ok(header.clone());
        }

        let mut header = WriteHeader::default();
        let first = self.view.snapshot.changes(ChangePosition::before(revision), HEADER_ENTRIES)?;
        for (position, entry) in first {
            match entry {
                _ if position.revision != revision => {}
                ChangeLogEntry::Writer(name) => header.writer = Some(name),
                ChangeLogEntry::Metadata(metadata) => header.metadata = Some(metadata),
                ChangeLogEntry::Relationship(_) | ChangeLogEntry::Schema => {}
            }
        }
        self.header = Some((revision, header.clone()));
        Ok(header)
    }
}
