//! Requests of validations.

use crate::api::convert::violations::Violations;
use crate::proto::field_errors::Field;
use crate::proto::kilwa::v1 as proto;
use crate::validation::{Expectation, InlineFile};
use prost::Name;
use tonic::Status;

/// The value of a field that has to be there.
pub(crate) fn required<M: Name, T>(field: &'static str, value: Option<T>) -> Result<T, Status> {
    let mut violations = Violations::of::<M>();
    let value = violations.require(Field::root(field), value);
    violations.finish(value)
}

/// The parts of a validation file.
pub(crate) fn parts(parts: &proto::ValidationParts) -> InlineFile<'_> {
    InlineFile {
        schema: &parts.schema,
        relationships: &parts.relationships,
        assertions: parts.assertions.as_ref().map(assertions).unwrap_or_default(),
        expected: parts
            .expected_relations
            .iter()
            .map(|expected| {
                let subjects = expected.subjects.iter().map(String::as_str).collect();
                (expected.object_and_relation.as_str(), subjects)
            })
            .collect(),
    }
}

/// Assertions with the answers that they want.
pub(crate) fn assertions(message: &proto::Assertions) -> Vec<(Expectation, &str)> {
    [
        with(Expectation::True, &message.assert_true),
        with(Expectation::Caveated, &message.assert_caveated),
        with(Expectation::False, &message.assert_false),
    ]
    .concat()
}

fn with(expectation: Expectation, texts: &[String]) -> Vec<(Expectation, &str)> {
    texts.iter().map(|text| (expectation, text.as_str())).collect()
}
