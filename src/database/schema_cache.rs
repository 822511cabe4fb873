//! Compiled schemas, by the revision that wrote them.

use super::error::DatabaseError;
use crate::relationship::{ReadError, Revision};
use crate::schema::{self, Schema};
use crate::store::{SchemaText, Transaction};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

/// How many schemas are kept compiled: the one in force, and some that reads of older revisions need.
const KEPT_MAX: usize = 8;

/// A schema text never changes once it is written, so a compiled one never goes stale.
#[derive(Debug, Default)]
pub(super) struct SchemaCache {
    compiled: RwLock<BTreeMap<Revision, Arc<Schema>>>,
}

impl SchemaCache {
    /// The schema that a revision wrote, if it is compiled already.
    pub(super) fn compiled(&self, revision: Revision) -> Option<Arc<Schema>> {
        let compiled = self.compiled.read().unwrap_or_else(PoisonError::into_inner);
        compiled.get(&revision).map(Arc::clone)
    }

    /// The schema that a revision wrote; `load` reads its text when it is not compiled yet. Revision 0 wrote the empty
    /// schema.
    pub(super) fn get(
        &self,
        revision: Revision,
        load: impl FnOnce() -> Result<Option<SchemaText>, ReadError>,
    ) -> Result<Arc<Schema>, DatabaseError> {
        if let Some(schema) = self.compiled(revision) {
            return Ok(schema);
        }
        // Outside of the lock: two readers may compile the same text, but none waits while another one compiles.
        let text = load()?.map_or_else(|| Arc::from(""), |schema| schema.text);
        let schema = schema::compile(&text).map_err(|faults| DatabaseError::StoredSchema {
            revision,
            reason: faults.first().map(|fault| fault.message.clone()).unwrap_or_default(),
        })?;
        let schema = Arc::new(schema);
        self.keep(revision, Arc::clone(&schema));
        Ok(schema)
    }

    /// The schema that a transaction sees.
    pub(super) fn at_transaction(
        &self,
        transaction: &Transaction<'_>,
    ) -> Result<Arc<Schema>, DatabaseError> {
        self.get(transaction.schema_revision(), || transaction.schema())
    }

    /// Keeps a compiled schema. The oldest ones are evicted.
    pub(super) fn keep(&self, revision: Revision, schema: Arc<Schema>) {
        let mut compiled = self.compiled.write().unwrap_or_else(PoisonError::into_inner);
        compiled.insert(revision, schema);
        if compiled.len() > KEPT_MAX {
            // Which one goes matters little, as long as the newest stays.
            let oldest = compiled.keys().copied().find(|kept| *kept != revision);
            oldest.and_then(|oldest| compiled.remove(&oldest));
        }
    }
}
