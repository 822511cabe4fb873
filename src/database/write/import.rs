//! Imports: any number of relationships, all created or none.

use super::change_log::{CHANGES_PAGE, changes_since, exists, written_relationship};
use super::proposal::{Caller, Examination, ExaminedWrite, Proposal, Rejection};
use crate::database::error::DatabaseError;
use crate::database::guards::require_relationship;
use crate::database::handle::Database;
use crate::relationship::{Relationship, Revision};
use crate::schema::Schema;
use crate::store::{ChangePosition, Snapshot, SpillFile, Transaction, WriteClock};
use std::sync::{Arc, Mutex, PoisonError};

/// Relationships to be created together. They are staged in a spill file on disk, so there may be any number of them, and
/// other writes continue while they arrive. Dropping the import discards them.
#[derive(Debug)]
pub struct Import {
    staged: SpillFile,
    schema: Arc<Schema>,
    schema_revision: Revision,
    /// The revision up to which none of them was found to exist.
    examined: Option<Revision>,
}

impl Import {
    /// Adds relationships, which the schema must allow.
    pub fn add(&mut self, relationships: &[Relationship]) -> Result<(), DatabaseError> {
        for relationship in relationships {
            require_relationship(&self.schema, relationship)?;
            self.staged.add(relationship)?;
        }
        Ok(())
    }

    /// Requires that none is a duplicate, exists on the snapshot or violates its schema. After an examination on an older
    /// snapshot, only the changes since are examined.
    fn examine(&mut self, examination: &Examination<'_>) -> Result<(), DatabaseError> {
        let (view, interrupted) = (&examination.view, examination.interrupted());
        if view.schema_revision() != self.schema_revision {
            let schema = Arc::clone(view.schema());
            let refusal =
                |relationship: Relationship| require_relationship(&schema, &relationship).err();
            self.staged.find(interrupted, refusal)?.map_or(Ok(()), Err)?;
            (self.schema, self.schema_revision) = (schema, view.schema_revision());
        }

        let known = self.examined.filter(|known| *known >= view.oldest_revision());
        let existing = match known {
            Some(known) => self.existing_since(&view.snapshot, known)?,
            None => match self.staged.duplicate(interrupted)? {
                Some(duplicate) => Some(duplicate),
                None => self.staged.first_stored(&view.snapshot)?,
            },
        };
        self.examined = Some(view.revision());
        existing.map_or(Ok(()), |existing| Err(already_exists(existing)))
    }

    /// A staged relationship that was written after a revision and still exists.
    fn existing_since(
        &mut self,
        snapshot: &Snapshot<'_>,
        known: Revision,
    ) -> Result<Option<Relationship>, DatabaseError> {
        let mut after = ChangePosition::after(known);
        loop {
            let page = snapshot.changes(after, CHANGES_PAGE)?;
            let Some((last, _)) = page.last() else { return Ok(None) };
            after = *last;

            for relationship in
                page.into_iter().filter_map(|(_, change)| written_relationship(change))
            {
                // In this order: to find one among the staged relationships may read all of them.
                if exists(snapshot, &relationship)? && self.staged.contains(&relationship)? {
                    return Ok(Some(relationship));
                }
            }
        }
    }

    /// Creates all of them, unless one was written since the examination. Returns their number.
    fn create(&mut self, transaction: &mut Transaction<'_>) -> Result<u64, Rejection> {
        let known = self.examined.filter(|known| *known >= transaction.oldest_revision());
        let is_other_schema = transaction.schema_revision() != self.schema_revision;
        let Some(known) = known.filter(|_| !is_other_schema) else {
            return Err(Rejection::Outdated);
        };

        for change in changes_since(transaction, known)? {
            if let Some(relationship) = written_relationship(change)
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

fn already_exists(relationship: Relationship) -> DatabaseError {
    DatabaseError::AlreadyExists(Box::new(relationship))
}

/// An import that is complete.
#[derive(Debug)]
pub struct CompleteImport(Arc<Mutex<Import>>);

impl From<Import> for CompleteImport {
    fn from(import: Import) -> Self {
        Self(Arc::new(Mutex::new(import)))
    }
}

impl Proposal for CompleteImport {
    /// The number of created relationships.
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
    /// Begins an import. Its relationships must fit the current schema and the one at its end.
    pub fn begin_import(&self, clock: impl Into<WriteClock>) -> Result<Import, DatabaseError> {
        let snapshot = self.store.snapshot(clock.into().now())?;
        let schema_revision = snapshot.schema_revision()?;
        let schema = self.state.schemas.get(schema_revision, || snapshot.schema())?;
        Ok(Import { staged: self.store.spill_file()?, schema, schema_revision, examined: None })
    }

    /// Creates all added relationships, or none: when one exists, is added twice, or is no longer allowed by the schema.
    /// Returns the revision and the count. Other writes wait while the relationships are created, and not while they are
    /// examined.
    pub fn finish_import(
        &self,
        clock: impl Into<WriteClock>,
        import: Import,
    ) -> Result<(Revision, u64), DatabaseError> {
        self.execute(&Caller::patient(clock), CompleteImport::from(import))
    }

    /// Creates all relationships or none, without the limit of [`Self::write`] on their number.
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
