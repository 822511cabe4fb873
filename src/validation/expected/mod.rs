//! Expected relations: the complete list of subjects of a relation or permission, and the relations that name them.

mod compare;
mod expand;
mod parse;
mod relations;
mod set;

use super::evidence::Evidence;
use super::run_options::RunOptions;
use crate::engine::{CheckQuery, EngineError, EvalContext, Limits, TraceBudget, check};
use crate::relationship::{Context, RelationshipReader, Subject};
use crate::schema::Schema;
pub use compare::{ExpectedFailure, Mismatch};
use expand::{ExpandError, expand};
pub use relations::ExpectedRelations;

/// How many failures of one expectation are explained.
const EXPLAINED_MAX: usize = 10;

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
    let mut failures = match expand(schema, reader, options, (&expected.object, &expected.relation))
    {
        Ok(found) => compare::compare(&expected, &found),
        Err(ExpandError::Ended(error)) => return Err(error),
        Err(error) => {
            let mismatch = Mismatch::NotExpanded { reason: error.to_string() };
            vec![ExpectedFailure::new(&expected.location, mismatch)]
        }
    };

    let RunOptions { interrupted, stopwatch, time_max, .. } = *options;
    let limits = Limits { time_max, ..Limits::default() };
    let context = EvalContext {
        limits,
        interrupted,
        stopwatch,
        tracing: true,
        ..EvalContext::new(schema, reader)
    };
    let mut budget = TraceBudget::default();
    for failure in failures.iter_mut().take(EXPLAINED_MAX) {
        failure.evidence = explain(&expected, failure, &context, &mut budget)?;
    }
    Ok(ExpectedResult { expected, failures })
}

/// Checks the subject of a failure with a trace. What a check cannot be asked, such as a wildcard, has no explanation.
fn explain<R: RelationshipReader>(
    expected: &ExpectedRelations,
    failure: &ExpectedFailure,
    context: &EvalContext<'_, R>,
    budget: &mut TraceBudget,
) -> Result<Option<Evidence>, EngineError> {
    let subject = failure.mismatch.subject().and_then(|text| text.parse::<Subject>().ok());
    let Some(subject) = subject else { return Ok(None) };
    let query = CheckQuery {
        resource: &expected.object,
        permission: &expected.relation,
        subject: &subject,
        context: &Context::default(),
    };

    match check(context, &query) {
        Err(error) if error.is_end_of_request() => Err(error),
        Err(_) => Ok(None),
        Ok(checked) => Ok(checked.trace.map(|mut trace| {
            budget.spend(&mut trace);
            Evidence::from_trace(&trace, context.schema)
        })),
    }
}
