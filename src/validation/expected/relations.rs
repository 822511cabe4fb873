//! Expected relations as a file writes them.

use super::parse::{self, ExpectedError, ExpectedSubject};
use crate::relationship::ObjectRef;
use crate::validation::source::SourceLocation;

/// A relation or permission of an object, with everyone who is expected in it.
#[derive(Clone, Debug)]
pub struct ExpectedRelations {
    pub(super) object: ObjectRef,
    pub(super) relation: String,
    pub(super) location: SourceLocation,
    pub(super) items: Vec<ExpectedLine>,
}

/// One line of an expectation.
#[derive(Clone, Debug)]
pub(super) struct ExpectedLine {
    pub(super) text: String,
    pub(super) location: SourceLocation,
    pub(super) subject: Option<ExpectedSubject>,
}

impl ExpectedRelations {
    /// The expectation of a key such as `document:plan#view`, without anyone in it yet.
    pub(in crate::validation) fn parse(
        key: &str,
        location: SourceLocation,
    ) -> Result<Self, String> {
        let (object, relation) = parse::parse_relation(key).map_err(|error| error.to_string())?;
        Ok(Self { object, relation, location, items: Vec::new() })
    }

    /// Adds a line such as `[user:ann] is <document:plan#viewer>`.
    pub(in crate::validation) fn add(
        &mut self,
        text: &str,
        location: SourceLocation,
    ) -> Result<(), String> {
        let subject = parse::parse(text).map_err(|error: ExpectedError| error.to_string())?;
        self.items.push(ExpectedLine { text: text.to_owned(), location, subject });
        Ok(())
    }

    /// The expanded object and relation, such as `document:plan#view`.
    pub fn key(&self) -> String {
        format!("{}#{}", self.object, self.relation)
    }

    /// Where the key was written.
    pub fn location(&self) -> &SourceLocation {
        &self.location
    }
}
