//! Expected relations: the complete list of subjects of a relation or permission, and the relations that name them.

mod compare;
mod expand;
mod parse;
mod relations;
mod set;

use super::run_options::RunOptions;
use crate::engine::EngineError;
use crate::relationship::RelationshipReader;
use crate::schema::Schema;
pub use compare::{ExpectedFailure, Mismatch};
use expand::{ExpandError, expand};
pub use relations::ExpectedRelations;

/// The result of comparing one expectation with the subjects found.
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

/// Expands the relation or permission and compares its subjects with the expected ones.
pub(super) fn run<R: RelationshipReader>(
    expected: ExpectedRelations,
    schema: &Schema,
    reader: &R,
    options: &RunOptions<'_>,
) -> Result<ExpectedResult, EngineError> {
    let failures = match expand(schema, reader, options, (&expected.object, &expected.relation)) {
        Ok(found) => compare::compare(&expected, &found),
        Err(ExpandError::Ended(error)) => return Err(error),
        Err(error) => {
            let mismatch = Mismatch::NotExpanded { reason: error.to_string() };
            vec![ExpectedFailure { location: expected.location.clone(), mismatch }]
        }
    };

    Ok(ExpectedResult { expected, failures })
}
