//! Expected relations as a file writes them.

use super::parse::{self, ExpectedError, ExpectedSubject};
use crate::relationship::ObjectRef;
use crate::validation::source::SourceLocation;

/// A relation or permission of an object, with everyone who is expected in it.
#[derive(Clone, Debug)]
pub struct ExpectedRelations {
    pub(super) object: ObjectRef,
    pub(super) relation: String,
    pub(super) place: SourceLocation,
    pub(super) items: Vec<ExpectedLine>,
}

/// One line of an expectation.
#[derive(Clone, Debug)]
pub(super) struct ExpectedLine {
    pub(super) text: String,
    pub(super) place: SourceLocation,
    pub(super) subject: Option<ExpectedSubject>,
}

impl ExpectedRelations {
    /// The expectation of a key such as `document:plan#view`, without anyone in it yet.
    pub(in crate::validation) fn parse(key: &str, place: SourceLocation) -> Result<Self, String> {
        let (object, relation) = parse::parse_relation(key).map_err(|error| error.to_string())?;
        Ok(Self { object, relation, place, items: Vec::new() })
    }

    /// Adds a line such as `[user:ann] is <document:plan#viewer>`.
    pub(in crate::validation) fn add(
        &mut self,
        text: &str,
        place: SourceLocation,
    ) -> Result<(), String> {
        let subject = parse::parse(text).map_err(|error: ExpectedError| error.to_string())?;
        self.items.push(ExpectedLine { text: text.to_owned(), place, subject });
        Ok(())
    }

    /// What is expanded, such as `document:plan#view`.
    pub fn key(&self) -> String {
        format!("{}#{}", self.object, self.relation)
    }

    /// Where the key was written.
    pub fn place(&self) -> &SourceLocation {
        &self.place
    }
}
