//! One write: reads the newest state and changes it.

use super::budget::ScanBudget;
use super::changelog::{self, Change, ChangePosition};
use super::clock::Clock;
use super::job::Interrupted;
use super::keys::{self, Corrupt, RowKey};
use super::names::Names;
use super::pieces::Pieces;
use super::plan::ScanPosition;
use super::reads::{self, Reads, ScanPage, SchemaText, Shown};
use super::rocks::{self, Db, Family, Source};
use super::rows::Moment;
use super::staged::Staged;
use super::values::{self, Head, Logged};
use crate::relationship::{
    Context, Page, ReadError, RelationKey, Relationship, RelationshipFilter, RelationshipReader,
    ResourceKey, Revision, SubjectForm, SubjectKey, Terms, Timestamp,
};
use std::fmt;
use std::sync::Arc;

/// A write that is being made. Reads see what it has changed so far; nobody else sees it before it is committed.
pub struct Transaction<'t> {
    pub(super) db: &'t Db,
    /// What has not been committed yet.
    pub(super) batch: rocksdb::Transaction<'t, Db>,
    pub(super) names: Arc<Names>,
    pub(super) head: Head,
    pub(super) revision: Revision,
    pub(super) now: Timestamp,
    /// How many changes have been logged.
    pub(super) logged: u32,
    /// Commits what there is so far, when the write may be larger than memory.
    pub(super) pieces: Option<Pieces<'t>>,
    /// Whether nobody waits for the write any more.
    pub(super) interrupted: Interrupted,
    pub(super) clock: Clock,
}

impl Transaction<'_> {
    /// The revision that the write will have.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The time of the write: when the writer began it.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// The present time, for work that takes so long that it may matter.
    pub fn present(&self) -> Timestamp {
        self.clock.now()
    }

    /// Says whether the caller has stopped waiting, for work that may take long.
    pub fn interrupted(&self) -> Interrupted {
        Arc::clone(&self.interrupted)
    }

    /// Fails when the caller has stopped waiting.
    pub(super) fn require_wanted(&self) -> Result<(), ReadError> {
        if (self.interrupted)() { Err(ReadError::interrupted()) } else { Ok(()) }
    }

    /// The oldest revision whose later changes are all known.
    pub fn oldest_revision(&self) -> Revision {
        self.head.horizon
    }

    /// The schema that is in force, with what this write did to it.
    pub fn schema(&self) -> Result<Option<SchemaText>, ReadError> {
        self.reads().schema_at(self.revision)
    }

    /// The revision that wrote the schema in force; 0 when none was written. Costs no read.
    pub fn schema_revision(&self) -> Revision {
        self.head.schema
    }

    /// Unexpired relationships that a filter selects; see [`super::Snapshot::scan`].
    pub fn scan(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        count_max: usize,
        budget: &ScanBudget<'_>,
    ) -> Result<ScanPage, ReadError> {
        self.reads().scan(filter, after, count_max, budget)
    }

    /// Like [`Self::scan`], but with the relationships that have expired and not been collected yet.
    pub fn scan_stored(
        &self,
        filter: &RelationshipFilter,
        after: Option<&ScanPosition>,
        count_max: usize,
        budget: &ScanBudget<'_>,
    ) -> Result<ScanPage, ReadError> {
        Reads { shown: Shown::Stored, ..self.reads() }.scan(filter, after, count_max, budget)
    }

    /// What was changed behind `after`, also by this write; see [`super::Snapshot::changes`].
    pub fn changes(
        &self,
        after: ChangePosition,
        count_max: usize,
    ) -> Result<Vec<(ChangePosition, Change)>, ReadError> {
        changelog::read(self.source(), &self.names, after, self.revision, count_max)
    }

    /// Adds a relationship. `false`, and nothing happens, when one with the same key is stored, expired or not.
    pub fn create(&mut self, relationship: &Relationship) -> Result<bool, ReadError> {
        let exists = match self.known_key(relationship) {
            Some(row) => self.source().get(Family::Live, &row.by_resource())?.is_some(),
            None => false,
        };
        if !exists {
            let terms = self.terms(relationship)?;
            let row = self.new_key(relationship)?;
            self.add(&row, &row.by_resource(), &terms, false)?;
        }
        Ok(!exists)
    }

    /// Adds relationships, until one is met whose key is stored already, expired or not; gives that one back.
    pub fn create_staged(
        &mut self,
        staged: &mut Staged,
    ) -> Result<Option<Relationship>, ReadError> {
        let mut ids = Vec::new();
        for name in staged.names().texts() {
            ids.push(self.name(name)?);
        }
        if let Some(mut pieces) = self.pieces.take() {
            let created = pieces.create(self, staged, &ids);
            self.pieces = Some(pieces);
            return created;
        }
        staged.rows(|row, terms| {
            let (row, terms) = (row.renamed(&ids)?, values::renamed(terms, &ids)?);
            let key = row.by_resource();
            if self.source().get(Family::Live, &key)?.is_some() {
                return self.relationship(&row, &terms).map(Some);
            }
            self.add(&row, &key, &terms, false)?;
            Ok(None)
        })
    }

    /// The relationship of a row.
    pub(super) fn relationship(
        &self,
        row: &RowKey<'_>,
        terms: &[u8],
    ) -> Result<Relationship, ReadError> {
        let terms = values::split_terms(terms, &self.names)?;
        Ok(reads::relationship(&self.names, row, terms)?)
    }

    /// Adds a relationship, or replaces the terms of the one with the same key. `false` when it was there with the
    /// same terms already, and nothing was changed.
    pub fn put(&mut self, relationship: &Relationship) -> Result<bool, ReadError> {
        let terms = self.terms(relationship)?;
        let row = self.new_key(relationship)?;
        let key = row.by_resource();
        let old = self.stored(&key)?;
        if old.as_ref().is_some_and(|old| old.terms == terms) {
            return Ok(false);
        }
        if let Some(old) = &old {
            self.bury(&row, &key, old)?;
        }
        self.add(&row, &key, &terms, old.is_some())?;
        Ok(true)
    }

    /// Removes the relationship with this key, whatever it carries, expired or not. `false` when there is none.
    pub fn remove(&mut self, relationship: &Relationship) -> Result<bool, ReadError> {
        let Some(row) = self.known_key(relationship) else { return Ok(false) };
        let key = row.by_resource();
        let Some(old) = self.stored(&key)? else { return Ok(false) };
        self.bury(&row, &key, &old)?;
        self.clear(Family::Live, &key)?;
        self.clear(Family::LiveBySubject, &row.by_subject())?;
        self.log(&Logged::Deleted(row))?;
        Ok(true)
    }

    /// Puts a schema into force.
    pub fn set_schema(&mut self, text: &str) -> Result<(), ReadError> {
        self.head.schema = self.revision;
        self.set(Family::Schema, &keys::schema(self.revision), text.as_bytes())?;
        self.log(&Logged::SchemaWritten)
    }

    /// Says something about the write to those who follow the change log. Call it before the changes it is about.
    pub fn set_metadata(&mut self, metadata: &Context) -> Result<(), ReadError> {
        self.log(&Logged::Metadata(metadata.clone()))
    }

    pub(super) fn source(&self) -> Source<'_> {
        Source::transaction(self.db, &self.batch)
    }

    /// Writes a row whose key is free, or whose old row has been buried.
    fn add(
        &mut self,
        row: &RowKey<'_>,
        key: &[u8],
        terms: &[u8],
        replaced: bool,
    ) -> Result<(), ReadError> {
        let value = values::row(self.revision, terms);
        self.set(Family::Live, key, &value)?;
        self.set(Family::LiveBySubject, &row.by_subject(), &value)?;
        if let Some(at) = values::expiration(terms)? {
            self.set(Family::Expiring, &keys::expiring(at, key), &[])?;
        }
        self.log(&Logged::Touched { replaced, row: *row, terms })
    }

    /// Moves a row that is going to be replaced or removed to the dead ones.
    fn bury(&self, row: &RowKey<'_>, key: &[u8], old: &StoredRow) -> Result<(), ReadError> {
        // An expiration that took effect stays known to those who follow the store, until it is collected.
        if let Some(at) = values::expiration(&old.terms)?
            && at > self.revision.time()
        {
            self.clear(Family::Expiring, &keys::expiring(at, key))?;
        }
        if old.created == self.revision {
            // No revision ever showed it.
            return Ok(());
        }
        let value = values::row(old.created, &old.terms);
        self.set(Family::Dead, &keys::dead(key, self.revision), &value)?;
        let by_subject = keys::dead(&row.by_subject(), self.revision);
        self.set(Family::DeadBySubject, &by_subject, &value)
    }

    fn stored(&self, key: &[u8]) -> Result<Option<StoredRow>, ReadError> {
        let Some(value) = self.source().get(Family::Live, key)? else { return Ok(None) };
        let (created, terms) = values::split_row(&value)?;
        Ok(Some(StoredRow { created, terms: terms.to_vec() }))
    }

    fn known_key<'k>(&self, relationship: &'k Relationship) -> Option<RowKey<'k>> {
        self.reads().row_key(relationship.resource_key(), relationship.subject.key())
    }

    /// The key of a relationship; names that are new get their numbers.
    fn new_key<'k>(&mut self, relationship: &'k Relationship) -> Result<RowKey<'k>, ReadError> {
        let (resource, subject) = (relationship.resource_key(), relationship.subject.key());
        for name in [resource.object_type, resource.relation, subject.object_type] {
            self.name(name)?;
        }
        if let Some(relation) = subject.relation {
            self.name(relation)?;
        }
        let unnamed = Corrupt("a name was not added");
        Ok(self.reads().row_key(resource, subject).ok_or(unnamed)?)
    }

    fn terms(&mut self, relationship: &Relationship) -> Result<Vec<u8>, ReadError> {
        let caveat = match &relationship.caveat {
            Some(caveat) => Some((self.name(&caveat.name)?, &caveat.context)),
            None => None,
        };
        Ok(values::terms(caveat, relationship.expires_at))
    }

    fn name(&mut self, text: &str) -> Result<keys::NameId, ReadError> {
        if let Some(id) = self.names.find(text) {
            return Ok(id);
        }
        let id = Arc::make_mut(&mut self.names).add(text)?;
        self.set(Family::Meta, &keys::name(text), &id.0.to_be_bytes())?;
        Ok(id)
    }

    fn reads(&self) -> Reads<'_> {
        let shown = Shown::Unexpired(self.now);
        Reads { source: self.source(), names: &self.names, moment: Moment::Newest, shown }
    }

    fn log(&mut self, logged: &Logged<'_>) -> Result<(), ReadError> {
        self.set(Family::Changes, &keys::change(self.revision, self.logged), &logged.bytes())?;
        self.logged = self.logged.saturating_add(1);
        // Between two changes, so that no piece holds half of one.
        match self.pieces.take() {
            Some(mut pieces) => {
                let committed = pieces.commit_when_large(self);
                self.pieces = Some(pieces);
                committed
            }
            None => Ok(()),
        }
    }

    pub(super) fn set(&self, family: Family, key: &[u8], value: &[u8]) -> Result<(), ReadError> {
        if let Some(pieces) = &self.pieces {
            pieces.count(key.len() + value.len());
        }
        let family = family.of(self.db)?;
        self.batch.put_cf(family, key, value).map_err(rocks::failed)
    }

    pub(super) fn clear(&self, family: Family, key: &[u8]) -> Result<(), ReadError> {
        self.batch.delete_cf(family.of(self.db)?, key).map_err(rocks::failed)
    }
}

/// The newest state with what this write changed so far, without what has expired.
impl RelationshipReader for Transaction<'_> {
    fn find(
        &self,
        resource: ResourceKey<'_>,
        subject: SubjectKey<'_>,
    ) -> Result<Option<Terms>, ReadError> {
        self.reads().find(resource, subject)
    }

    fn subjects(
        &self,
        resource: ResourceKey<'_>,
        form: SubjectForm<'_>,
        page: Page<'_>,
    ) -> Result<Vec<(String, Terms)>, ReadError> {
        self.reads().subjects(resource, form, page)
    }

    fn resources(
        &self,
        relation: RelationKey<'_>,
        subject: SubjectKey<'_>,
        page: Page<'_>,
    ) -> Result<Vec<(String, Terms)>, ReadError> {
        self.reads().resources(relation, subject, page)
    }
}

/// The value of a row.
struct StoredRow {
    created: Revision,
    terms: Vec<u8>,
}

impl fmt::Debug for Transaction<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transaction")
            .field("revision", &self.revision)
            .field("now", &self.now)
            .field("logged", &self.logged)
            .finish_non_exhaustive()
    }
}
