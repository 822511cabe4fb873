//! Counters: filters under a name, whose relationships are counted when somebody asks.

use super::proposal::{Caller, Examination, ExaminedWrite, Proposal};
use super::requirements::{Prerequisites, VerifiedPrerequisites};
use crate::database::error::DatabaseError;
use crate::database::handle::Database;
use crate::database::read::view::{View, require_filter};
use crate::relationship::{Precondition, RelationshipFilter};
use crate::schema::Schema;
use crate::store::{ScanBudget, WriteClock};
use std::sync::Arc;

/// A counter that is to be registered.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterCounter {
    /// Its name.
    pub name: String,
    /// What it counts.
    pub filter: RelationshipFilter,
}

impl Prerequisites for RegisterCounter {
    fn require_allowed(&self, schema: &Schema) -> Result<(), DatabaseError> {
        require_filter(schema, &self.filter)
    }

    fn preconditions(&self) -> &[Precondition] {
        &[]
    }
}

impl Proposal for RegisterCounter {
    type Output = ();

    fn examine(
        self: &Arc<Self>,
        examination: &Examination<'_>,
    ) -> Result<ExaminedWrite<()>, DatabaseError> {
        let fulfilled = VerifiedPrerequisites::examine(self, examination)?;
        let request = Arc::clone(self);
        Ok(ExaminedWrite::new(move |transaction, attempt| {
            fulfilled.confirm(transaction, attempt)?;
            let Self { name, filter } = &*request;
            if transaction.counter(name)?.is_some() {
                let (name, filter) = (name.clone(), Box::new(filter.clone()));
                return Err(DatabaseError::CounterRegistered { name, filter }.into());
            }
            Ok(transaction.set_counter(name, Some(filter))?)
        }))
    }
}

/// A counter that is to be removed.
#[derive(Clone, Debug, PartialEq)]
pub struct UnregisterCounter {
    /// Its name.
    pub name: String,
}

impl Proposal for UnregisterCounter {
    type Output = ();

    fn examine(self: &Arc<Self>, _: &Examination<'_>) -> Result<ExaminedWrite<()>, DatabaseError> {
        let request = Arc::clone(self);
        Ok(ExaminedWrite::new(move |transaction, _| {
            let name = &request.name;
            if transaction.counter(name)?.is_none() {
                return Err(DatabaseError::CounterUnknown { name: name.clone() }.into());
            }
            Ok(transaction.set_counter(name, None)?)
        }))
    }
}

impl Database {
    /// Keeps a filter under a name. It survives restarts.
    pub fn register_counter(
        &self,
        clock: impl Into<WriteClock>,
        name: &str,
        filter: RelationshipFilter,
    ) -> Result<(), DatabaseError> {
        let request = RegisterCounter { name: name.to_owned(), filter };
        self.execute(&Caller::patient(clock), request).map(|(_, ())| ())
    }

    /// Removes a counter.
    pub fn unregister_counter(
        &self,
        clock: impl Into<WriteClock>,
        name: &str,
    ) -> Result<(), DatabaseError> {
        let request = UnregisterCounter { name: name.to_owned() };
        self.execute(&Caller::patient(clock), request).map(|(_, ())| ())
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
