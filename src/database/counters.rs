//! Counters: filters under a name, whose relationships are counted when somebody asks.

use super::error::DatabaseError;
use super::handle::Database;
use super::view::{View, require_filter};
use super::write::schema_of;
use crate::relationship::{RelationshipFilter, Timestamp};
use crate::store::ScanBudget;
use std::sync::Arc;

impl Database {
    /// Keeps a filter under a name. It survives restarts.
    pub fn register_counter(
        &self,
        now: Timestamp,
        name: &str,
        filter: RelationshipFilter,
    ) -> Result<(), DatabaseError> {
        let (name, schemas) = (name.to_owned(), Arc::clone(&self.schemas));
        let registered = self.store.write(now, move |transaction| {
            require_filter(&*schema_of(&schemas, transaction)?, &filter)?;
            if transaction.counter(&name)?.is_some() {
                let filter = Box::new(filter);
                return Err(DatabaseError::CounterRegistered { name, filter });
            }
            Ok(transaction.set_counter(&name, Some(&filter))?)
        });
        Ok(registered.map(|(_, ())| ())?)
    }

    /// Forgets a counter.
    pub fn unregister_counter(&self, now: Timestamp, name: &str) -> Result<(), DatabaseError> {
        let name = name.to_owned();
        let forgotten = self.store.write(now, move |transaction| {
            if transaction.counter(&name)?.is_none() {
                return Err(DatabaseError::CounterUnknown { name });
            }
            Ok(transaction.set_counter(&name, None)?)
        });
        Ok(forgotten.map(|(_, ())| ())?)
    }
}

impl View<'_> {
    /// How many relationships of this moment a counter selects; each time they are counted anew. `interrupted` is asked
    /// now and then whether to give up.
    pub fn count(&self, name: &str, interrupted: &dyn Fn() -> bool) -> Result<u64, DatabaseError> {
        let unknown = || DatabaseError::CounterUnknown { name: name.to_owned() };
        let filter = self.snapshot.counter(name)?.ok_or_else(unknown)?;
        Ok(self.snapshot.count(&filter, None, &ScanBudget::new(interrupted))?.0)
    }
}
