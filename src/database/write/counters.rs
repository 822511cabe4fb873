//! Counters: named filters whose matches are counted on request.

use super::prerequisites::{Prerequisites, VerifiedPrerequisites};
use super::proposal::{Caller, Examination, ExaminedWrite, Proposal};
use crate::database::error::DatabaseError;
use crate::database::guards::require_filter;
use crate::database::handle::Database;
use crate::relationship::{Precondition, RelationshipFilter};
use crate::schema::Schema;
use crate::store::WriteClock;
use std::sync::Arc;

/// Registers a counter.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisterCounter {
    /// The name.
    pub name: String,
    /// The filter.
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
        let verified = VerifiedPrerequisites::examine(self, examination)?;
        let request = Arc::clone(self);
        Ok(ExaminedWrite::new(move |transaction, attempt| {
            verified.confirm(transaction, attempt)?;

            let Self { name, filter } = &*request;
            if transaction.counter(name)?.is_some() {
                let (name, filter) = (name.clone(), Box::new(filter.clone()));
                return Err(DatabaseError::CounterRegistered { name, filter }.into());
            }
            Ok(transaction.set_counter(name, Some(filter))?)
        }))
    }
}

/// Removes a counter.
#[derive(Clone, Debug, PartialEq)]
pub struct UnregisterCounter {
    /// The name.
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
    /// Registers a counter. It is stored, so it survives restarts.
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
