//! Imports: any number of relationships, created all or none.

use super::error::DatabaseError;
use super::handle::Database;
use super::write::{require_relationship, schema_of};
use crate::relationship::{Relationship, Revision, Timestamp};
use crate::schema::Schema;
use crate::store::Staged;
use std::sync::Arc;

/// Relationships that are to be created together. They wait on disk, so that there may be any number of them, and others
/// write on for as long as they take to come. Dropped, they are forgotten.
#[derive(Debug)]
pub struct Import {
    staged: Staged,
    schema: Arc<Schema>,
    schema_revision: Revision,
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
}

impl Database {
    /// Begins an import; what is added has to fit the schema of this moment, and that of the end.
    pub fn begin_import(&self, now: Timestamp) -> Result<Import, DatabaseError> {
        let snapshot = self.store.snapshot(now)?;
        let schema_revision = snapshot.schema_revision()?;
        let schema = self.schemas.get(schema_revision, || snapshot.schema())?;
        Ok(Import { staged: self.store.stage()?, schema, schema_revision })
    }

    /// Creates everything that was added, or nothing: when one of them exists already, or twice in the import, or the
    /// schema no longer allows it. Gives the revision and the count. Other writes wait meanwhile.
    pub fn finish_import(
        &self,
        now: Timestamp,
        import: Import,
    ) -> Result<(Revision, u64), DatabaseError> {
        let Import { mut staged, schema_revision, .. } = import;
        let schemas = Arc::clone(&self.schemas);
        let written = self.store.write_large(now, move |transaction| {
            if transaction.schema_revision() != schema_revision {
                let schema = schema_of(&schemas, transaction)?;
                require_allowed(&schema, &mut staged)?;
            }
            match transaction.create_staged(&mut staged)? {
                None => Ok(staged.count()),
                Some(existing) => Err(DatabaseError::AlreadyExists(Box::new(existing))),
            }
        });
        Ok(written?)
    }

    /// Creates every relationship or none, without the bounds that [`Self::write`] sets to their number.
    pub fn import(
        &self,
        now: Timestamp,
        relationships: &[Relationship],
    ) -> Result<Revision, DatabaseError> {
        let mut import = self.begin_import(now)?;
        import.add(relationships)?;
        Ok(self.finish_import(now, import)?.0)
    }
}

fn require_allowed(schema: &Schema, staged: &mut Staged) -> Result<(), DatabaseError> {
    let refusal = |relationship: Relationship| require_relationship(schema, &relationship).err();
    staged.find(refusal)?.map_or(Ok(()), Err)
}
