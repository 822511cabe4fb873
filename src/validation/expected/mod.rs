//! Expected relations: everyone who must be in a relation or permission, and through what.

mod compare;
mod expand;
mod parse;
mod set;

use super::setting::Setting;
use super::source::Place;
use crate::engine::EngineError;
use crate::relationship::{ObjectRef, RelationshipReader};
use crate::schema::Schema;
pub use compare::{ExpectedFailure, Mismatch};
use expand::{ExpandError, expand};
use parse::{ExpectedError, ExpectedSubject};

/// A relation or permission of an object, with everyone who is expected in it.
#[derive(Clone, Debug)]
pub struct ExpectedRelations {
    object: ObjectRef,
    relation: String,
    place: Place,
    items: Vec<Item>,
}

/// One line of an expectation.
#[derive(Clone, Debug)]
struct Item {
    text: String,
    place: Place,
    subject: Option<ExpectedSubject>,
}

impl ExpectedRelations {
    /// The expectation of a key such as `document:plan#view`, without anyone in it yet.
    pub(super) fn parse(key: &str, place: Place) -> Result<Self, String> {
        let (object, relation) = parse::parse_relation(key).map_err(|error| error.to_string())?;
        Ok(Self { object, relation, place, items: Vec::new() })
    }

    /// Adds a line such as `[user:ann] is <document:plan#viewer>`.
    pub(super) fn add(&mut self, text: &str, place: Place) -> Result<(), String> {
        let subject = parse::parse(text).map_err(|error: ExpectedError| error.to_string())?;
        self.items.push(Item { text: text.to_owned(), place, subject });
        Ok(())
    }

    /// What is expanded, such as `document:plan#view`.
    pub fn key(&self) -> String {
        format!("{}#{}", self.object, self.relation)
    }

    /// Where the key was written.
    pub fn place(&self) -> &Place {
        &self.place
    }

    /// Expands the relation or permission and compares everyone in it with the expectation.
    pub(super) fn run<R: RelationshipReader>(
        self,
        schema: &Schema,
        reader: &R,
        setting: &Setting<'_>,
    ) -> Result<ExpectedResult, EngineError> {
        let failures = match expand(schema, reader, setting, (&self.object, &self.relation)) {
            Ok(found) => compare::compare(&self, &found),
            Err(ExpandError::Ended(error)) => return Err(error),
            Err(error) => {
                let mismatch = Mismatch::NotExpanded { reason: error.to_string() };
                vec![ExpectedFailure { place: self.place.clone(), mismatch }]
            }
        };
        Ok(ExpectedResult { expected: self, failures })
    }
}

/// What came of an expectation.
#[derive(Clone, Debug)]
pub struct ExpectedResult {
    /// The expectation.
    pub expected: ExpectedRelations,
    /// Every way in which it was not met.
    pub failures: Vec<ExpectedFailure>,
}

impl ExpectedResult {
    /// Whether exactly the expected subjects were found.
    pub fn holds(&self) -> bool {
        self.failures.is_empty()
    }
}
