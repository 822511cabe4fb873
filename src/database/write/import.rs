//! Imports: any number of relationships, created all or none.

use super::proposal::{Caller, Examination, ExaminedWrite, Proposal, Rejection};
use super::relationships::require_relationship;
use super::requirements::{added_relationship, exists};
use crate::database::error::DatabaseError;
use crate::database::handle::Database;
use crate::engine::EngineError;
use crate::relationship::{Relationship, Revision};
use crate::schema::Schema;
use crate::store::{ChangeLogEntry, ChangePosition, Snapshot, SpillFile, Transaction, WriteClock};
use std::sync::{Arc, Mutex, PoisonError};

/// How many changes are read at a time.
const PAGE: usize = 1000;
/// The most changes since the examination that the writer looks at.
const CHANGES_MAX: usize = 10_000;

/// Relationships that are to be created together. They wait on disk, so that there may be any number of them, and others
/// write on for as long as they take to come. Dropped, they are forgotten.
#[derive(Debug)]
pub struct Import {
    staged: SpillFile,
    schema: Arc<Schema>,
    schema_revision: Revision,
    /// Up to which revision none of them was found to exist.
    examined: Option<Revision>,
}

impl Import {
    /// Adds relationships, each of which must be one that the schema allows.
    pub fn add(&mut self, relationships: &[Relationship]) -> Result<(), DatabaseError> {
        for relationship in relationships {
            require_relationship(&self.schema, relationship)?;
            self.staged.add(relationship)?;
        }
        Ok(())
    }

    /// Requires that none of them is there twice, exists on the snapshot or is forbidden by its schema. What has been
    /// examined on an older snapshot is not examined again.
    fn examine(&mut self, examination: &Examination<'_>) -> Result<(), DatabaseError> {
        let Examination { view, interrupted, .. } = examination;
        if view.schema_revision() != self.schema_revision {
            let schema = Arc::clone(view.schema());
            let refusal =
                |relationship: Relationship| require_relationship(&schema, &relationship).err();
            self.staged.find(*interrupted, refusal)?.map_or(Ok(()), Err)?;
            (self.schema, self.schema_revision) = (schema, view.schema_revision());
        }

        let known = self.examined.filter(|known| *known >= view.oldest_revision());
        let existing = match known {
            Some(known) => self.existing_since(&view.snapshot, known, *interrupted)?,
            None => match self.staged.duplicate(*interrupted)? {
                Some(duplicate) => Some(duplicate),
                None => self.staged.first_stored(&view.snapshot, *interrupted)?,
            },
        };
        self.examined = Some(view.revision());
        existing.map_or(Ok(()), |existing| Err(already_exists(existing)))
    }

    /// One that came after a revision and still exists.
    fn existing_since(
        &mut self,
        snapshot: &Snapshot<'_>,
        known: Revision,
        interrupted: &dyn Fn() -> bool,
    ) -> Result<Option<Relationship>, DatabaseError> {
        let mut after = ChangePosition::after(known);
        loop {
            if interrupted() {
                return Err(EngineError::Interrupted.into());
            }
            let page = snapshot.changes(after, PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(None) };
            after = *last;
            for relationship in
                page.into_iter().filter_map(|(_, change)| added_relationship(change))
            {
                // In this order: to find one among those that are staged may read all of them.
                if exists(snapshot, &relationship)? && self.staged.contains(&relationship)? {
                    return Ok(Some(relationship));
                }
            }
        }
    }

    /// Creates all of them, unless one came to exist since they were examined. Gives their number.
    fn create(&mut self, transaction: &mut Transaction<'_>) -> Result<u64, Rejection> {
        let known = self.examined.filter(|known| *known >= transaction.oldest_revision());
        let is_other_schema = transaction.schema_revision() != self.schema_revision;
        let Some(known) = known.filter(|_| !is_other_schema) else {
            return Err(Rejection::Outdated);
        };

        for change in changes(transaction, known)? {
            if let Some(relationship) = added_relationship(change)
                && exists(transaction, &relationship)?
                && self.staged.contains(&relationship)?
            {
                return Err(already_exists(relationship).into());
            }
        }
        match transaction.create_from_spill(&mut self.staged)? {
            None => Ok(self.staged.count()),
            Some(existing) => Err(already_exists(existing).into()),
        }
    }
}

/// What changed after a revision, unless it is too much for the writer.
fn changes(
    transaction: &Transaction<'_>,
    known: Revision,
) -> Result<Vec<ChangeLogEntry>, Rejection> {
    let mut changes = Vec::new();
    let mut after = ChangePosition::after(known);
    loop {
        let page = transaction.changes(after, PAGE)?;
        let Some((last, _)) = page.last() else { return Ok(changes) };
        after = *last;
        changes.extend(page.into_iter().map(|(_, change)| change));
        if changes.len() > CHANGES_MAX {
            return Err(Rejection::Outdated);
        }
    }
}

fn already_exists(relationship: Relationship) -> DatabaseError {
    DatabaseError::AlreadyExists(Box::new(relationship))
}

/// An import to which nothing more is added.
#[derive(Debug)]
pub struct CompleteImport(Arc<Mutex<Import>>);

impl From<Import> for CompleteImport {
    fn from(import: Import) -> Self {
        Self(Arc::new(Mutex::new(import)))
    }
}

impl Proposal for CompleteImport {
    /// How many relationships were created.
    type Output = u64;

    fn is_slow(&self) -> bool {
        true
    }

    fn examine(
        self: &Arc<Self>,
        examination: &Examination<'_>,
    ) -> Result<ExaminedWrite<u64>, DatabaseError> {
        let import = Arc::clone(&self.0);
        import.lock().unwrap_or_else(PoisonError::into_inner).examine(examination)?;
        let create = move |transaction: &mut Transaction<'_>, _| {
            import.lock().unwrap_or_else(PoisonError::into_inner).create(transaction)
        };
        Ok(ExaminedWrite::new(create).large())
    }
}

impl Database {
    /// Begins an import; what is added has to fit the schema of this moment, and that of the end.
    pub fn begin_import(&self, clock: impl Into<WriteClock>) -> Result<Import, DatabaseError> {
        let snapshot = self.store.snapshot(clock.into().now())?;
        let schema_revision = snapshot.schema_revision()?;
        let schema = self.schemas.get(schema_revision, || snapshot.schema())?;
        Ok(Import { staged: self.store.spill_file()?, schema, schema_revision, examined: None })
    }

    /// Creates everything that was added, or nothing: when one of them exists already, or twice in the import, or the
    /// schema no longer allows it. Gives the revision and the count. Other writes wait while the relationships are
    /// created, and not while they are examined.
    pub fn finish_import(
        &self,
        clock: impl Into<WriteClock>,
        import: Import,
    ) -> Result<(Revision, u64), DatabaseError> {
        self.execute(&Caller::patient(clock), CompleteImport::from(import))
    }

    /// Creates every relationship or none, without the bounds that [`Self::write`] sets to their number.
    pub fn import(
        &self,
        clock: impl Into<WriteClock>,
        relationships: &[Relationship],
    ) -> Result<Revision, DatabaseError> {
        let clock = clock.into();
        let mut import = self.begin_import(&clock)?;
        import.add(relationships)?;
        Ok(self.finish_import(clock, import)?.0)
    }
}
