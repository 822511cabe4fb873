//! Gives an empty database what it starts with.

use super::relationships::{apply, require_allowed};
use crate::database::error::DatabaseError;
use crate::database::handle::Database;
use crate::relationship::{Relationship, RelationshipUpdate, Revision, Timestamp, UpdateOperation};
use crate::schema;
use std::sync::Arc;

/// Schema and relationships are one write: a database that was filled halfway would look like one that is in use.
pub(in crate::database) fn bootstrap(
    database: &Database,
    now: Timestamp,
    schema_text: &str,
    relationships: Vec<Relationship>,
) -> Result<bool, DatabaseError> {
    // So that a database that is in use gets no empty write.
    if database.store.snapshot(now)?.schema_revision()? > Revision::default() {
        return Ok(false);
    }
    let schema = Arc::new(schema::compile(schema_text).map_err(DatabaseError::Schema)?);
    let operation = UpdateOperation::Touch;
    let updates = relationships.into_iter();
    let updates: Vec<_> =
        updates.map(|relationship| RelationshipUpdate { operation, relationship }).collect();
    require_allowed(&schema, &updates)?;
    let text = Arc::clone(&schema);
    let (revision, filled) = database.store.write_large(now, move |transaction| {
        if transaction.schema_revision() > Revision::default() {
            return Ok::<_, DatabaseError>(false);
        }
        transaction.set_schema(text.source())?;
        updates.iter().try_for_each(|update| apply(transaction, update))?;
        Ok(true)
    })?;
    if filled {
        database.schemas.keep(revision, schema);
    }
    Ok(filled)
}
