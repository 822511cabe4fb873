//! Schema and relationships of a validation file, for a store to start with.

use super::assertion::{Assertion, AssertionResult, Expectation};
use super::problem::Problems;
use super::report::Report;
use super::run::{Load, Stages, assert, compile, finish};
use super::setting::Setting;
use super::source::Source;
use super::{file, lines};
use crate::relationship::{ObjectRef, Relationship, RelationshipSet, Subject, Timestamp};
use crate::schema::{self, Schema};

/// The schema and the relationships of a validation file.
#[derive(Clone, Debug, PartialEq)]
pub struct Data {
    /// The schema's text, without imports.
    pub schema: String,
    /// The relationships, in key order.
    pub relationships: Vec<Relationship>,
    /// A question whose answer is yes, when the file holds one.
    pub example: Option<Example>,
}

/// A question without context.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// The object that access is about.
    pub resource: ObjectRef,
    /// A permission or relation of its definition.
    pub permission: String,
    /// Who asks for access.
    pub subject: Subject,
}

/// Reads schema and relationships from a validation file, to be stored. Gives the report back when they cannot be used.
pub fn read_data(
    name: &str,
    text: &str,
    load: Load<'_>,
    now: Timestamp,
) -> Result<Data, Box<Report>> {
    let mut problems = Problems::new(Source::new(name, text));
    let file = file::read(&mut problems);
    let schema = file.schema.as_ref().and_then(|part| compile(part, load, &mut problems));
    let setting = Setting::unhurried(now);
    let loaded = lines::load(file.relationships, schema.as_ref(), &mut problems, &setting);
    let (Some(schema), Ok(relationships)) = (schema.filter(|_| !problems.any_error()), loaded)
    else {
        return Err(Box::new(finish(problems, Stages::default())));
    };
    let example = example(file.assertions, &schema, &relationships, &setting);
    let text = match schema::compile(schema.source()) {
        Ok(_) => schema.source().to_owned(),
        Err(_) => schema::format::canonical(&schema),
    };
    Ok(Data { schema: text, relationships: relationships.iter().cloned().collect(), example })
}

/// The first assertion that holds without context, else the first relationship that holds without a caveat.
fn example(
    assertions: Vec<Assertion>,
    schema: &Schema,
    relationships: &RelationshipSet,
    setting: &Setting<'_>,
) -> Option<Example> {
    let wanted = |a: &Assertion| a.expectation == Expectation::True && a.context.is_empty();
    let asked = assertions.into_iter().find(wanted);
    let results = assert(asked.into_iter().collect(), schema, relationships, setting);
    if let Some(held) =
        results.ok().and_then(|mut results| results.pop()).filter(AssertionResult::holds)
    {
        let Assertion { resource, permission, subject, .. } = held.assertion;
        return Some(Example { resource, permission, subject });
    }
    let plain = |relationship: &&Relationship| {
        relationship.caveat.is_none()
            && relationship.expires_at.is_none()
            && !matches!(relationship.subject, Subject::Wildcard(_))
    };
    let Relationship { resource, relation, subject, .. } =
        relationships.iter().find(plain)?.clone();
    Some(Example { resource, permission: relation, subject })
}
