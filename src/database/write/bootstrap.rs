//! Bootstraps an empty database.

use crate::database::error::DatabaseError;
use crate::database::guards::{apply, require_allowed};
use crate::database::handle::Database;
use crate::relationship::{Relationship, RelationshipUpdate, Revision, Timestamp, UpdateOperation};
use crate::schema;
use std::sync::Arc;

impl Database {
    /// Writes a schema and any number of relationships into an empty database, all or none. Returns whether it did: a
    /// database that has a schema stays as it is.
    pub fn bootstrap(
        &self,
        now: Timestamp,
        schema_text: &str,
        relationships: Vec<Relationship>,
    ) -> Result<bool, DatabaseError> {
        // Without this check a database in use would get an empty write.
        if self.store.snapshot(now)?.schema_revision()? > Revision::default() {
            return Ok(false);
        }
        let schema = Arc::new(schema::compile(schema_text).map_err(DatabaseError::Schema)?);
        let operation = UpdateOperation::Touch;
        let updates = relationships.into_iter();
        let updates: Vec<_> =
            updates.map(|relationship| RelationshipUpdate { operation, relationship }).collect();
        require_allowed(&schema, &updates)?;

        // One write: with the schema alone, the database would look like one in use.
        let text = Arc::clone(&schema);
        let (revision, is_done) = self.store.write_large(now, move |transaction| {
            if transaction.schema_revision() > Revision::default() {
                return Ok::<_, DatabaseError>(false);
            }
            transaction.set_schema(text.source())?;
            updates.iter().try_for_each(|update| apply(transaction, update))?;
            Ok(true)
        })?;

        if is_done {
            self.state.schemas.keep(revision, schema);
        }
        Ok(is_done)
    }
}
