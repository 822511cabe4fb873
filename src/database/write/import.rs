//! Imports: any number of relationships, all created or none.

use super::change_log::{CHANGES_PAGE, changes_since, exists, written_relationship};
use super::proposal::{Caller, Examination, ExaminedWrite, Proposal, Rejection};
use crate::database::error::DatabaseError;
use crate::database::guards::require_relationship;
use crate::database::handle::Database;
use crate::relationship::{Relationship, Revision};
use crate::schema::Schema;
use crate::store::{ChangePosition, PreparedWrite, Snapshot, SpillFile, Transaction, WriteClock};
use std::sync::{Arc, Mutex, PoisonError};

/// The most bytes that are created in one turn of the writer.
const PIECE_BYTES_MAX: u64 = 256 << 10;

/// Relationships to be created together. They are staged in a spill file on disk, so there may be any number of them, and
/// other writes continue while they arrive. Dropping the import discards them.
#[derive(Debug)]
pub struct Import {
    staged: SpillFile,
    schema: Arc<Schema>,
    schema_revision: Revision,
    /// The revision up to which none of them was found to exist.
    examined: Option<Revision>,
    /// The most relationships that are created in one turn of the writer. More are prepared.
    piece_rows_max: usize,
    /// What is written already and only has to be published, if they are many.
    prepared: Option<PreparedWrite>,
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

        if self.is_large() {
            return self.prepare(examination);
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

    /// Writes all of them, unless they are written already. What is there twice is found meanwhile; what exists by then, or is
    /// written by others until they are published, is found by the writer.
    fn prepare(&mut self, examination: &Examination<'_>) -> Result<(), DatabaseError> {
        if self.prepared.is_some() {
            return Ok(());
        }
        let Caller { clock, interrupted, .. } = examination.caller;
        let store = &examination.database.store;
        self.prepared = Some(store.prepare(clock, &mut self.staged, interrupted)?);
        Ok(())
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

    /// Whether they are too many to be created in one turn of the writer.
    fn is_large(&self) -> bool {
        let rows_max = u64::try_from(self.piece_rows_max).unwrap_or(u64::MAX);
        self.staged.count() > rows_max || self.staged.bytes() > PIECE_BYTES_MAX
    }

    /// Creates all of them, unless one was written since the examination. Returns their number.
    fn create(&mut self, transaction: &mut Transaction<'_>) -> Result<u64, Rejection> {
        if let Some(prepared) = &mut self.prepared {
            if transaction.schema_revision() != self.schema_revision {
                return Err(Rejection::Outdated);
            }
            return match transaction.publish(prepared)? {
                None => Ok(self.staged.count()),
                Some(existing) => Err(already_exists(existing).into()),
            };
        }

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

    fn is_exclusive(&self) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).is_large()
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
        Ok(ExaminedWrite::new(create))
    }
}

impl Database {
    /// Begins an import. Its relationships must fit the current schema and the one at its end.
    pub fn begin_import(&self, clock: impl Into<WriteClock>) -> Result<Import, DatabaseError> {
        let snapshot = self.store.snapshot(clock.into().now())?;
        let schema_revision = snapshot.schema_revision()?;
        let schema = self.state.schemas.get(schema_revision, || snapshot.schema())?;
        let staged = self.store.spill_file()?;
        let piece_rows_max = self.store.options().piece_rows_max;
        let (examined, prepared) = (None, None);
        Ok(Import { staged, schema, schema_revision, examined, piece_rows_max, prepared })
    }

    /// Creates all added relationships, or none: when one exists, is added twice, or is no longer allowed by the schema.
    /// Returns the revision and the count. Other writes continue meanwhile.
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
