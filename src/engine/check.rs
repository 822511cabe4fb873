//! Check: is the subject in the relation or permission of the resource?

use super::error::EngineError;
use super::finding::Truth;
use super::memo::Place;
use super::question::{CheckQuery, CheckResult, EvalContext};
use super::trace::TraceBudget;
use super::walk::{Asked, Walk};
use crate::relationship::{Context, Permissionship, RelationshipReader, Subject};
use crate::schema::{DefinitionId, NodeId, Schema};

/// Answers one question.
pub fn check<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    question: &CheckQuery<'_>,
) -> Result<CheckResult, EngineError> {
    let (place, asked) = resolve(scope.schema, question)?;
    answer(&mut Walk::new(scope, asked), &place)
}

/// Answers several questions at the same moment, each as [`check`] would, in order. Questions that ask about the same
/// subject in the same context and follow one another share what they find, unless each has to tell its whole way. What their
/// traces tell is bounded together: a trace that no longer fits is its root alone.
pub fn check_each<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    questions: &[CheckQuery<'_>],
) -> Vec<Result<CheckResult, EngineError>> {
    let mut shared: Option<Walk<'_, R>> = None;
    let mut budget = TraceBudget::default();
    questions
        .iter()
        .map(|question| {
            let (place, asked) = resolve(scope.schema, question)?;
            let walk = match shared.take() {
                Some(walk) if !scope.tracing && walk.asks_for(&asked) => shared.insert(walk),
                _ => shared.insert(Walk::new(scope, asked)),
            };
            let mut checked = answer(walk, &place)?;
            if let Some(trace) = &mut checked.trace {
                budget.spend(trace);
            }
            Ok(checked)
        })
        .collect()
}

fn answer<R: RelationshipReader>(
    walk: &mut Walk<'_, R>,
    place: &Place,
) -> Result<CheckResult, EngineError> {
    let permissionship = membership_of(walk.run(place)?)?;
    Ok(CheckResult { permissionship, trace: walk.take_trace(), statistics: walk.statistics() })
}

/// The value of a query, as an answer.
pub(super) fn membership_of(truth: Truth) -> Result<Permissionship, EngineError> {
    match truth {
        Truth::No => Ok(Permissionship::NoPermission),
        Truth::Yes => Ok(Permissionship::HasPermission),
        Truth::Conditional(missing) => Ok(Permissionship::Conditional((*missing).clone())),
        Truth::Fault(fault) => Err(fault.error()),
    }
}

/// Turns names into ids: the resource's first, then the subject's.
fn resolve<'q>(
    schema: &Schema,
    question: &CheckQuery<'q>,
) -> Result<(Place, Asked<'q>), EngineError> {
    let resource = question.resource;
    let definition = require_definition(schema, resource.object_type())?;
    let node = require_node(schema, definition, question.permission)?;
    let asked = ask_about(schema, question.subject, question.context)?;
    Ok(((node, resource.object_id().into()), asked))
}

/// Turns the names of a subject into ids.
pub(super) fn ask_about<'q>(
    schema: &Schema,
    subject: &'q Subject,
    context: &'q Context,
) -> Result<Asked<'q>, EngineError> {
    let definition = require_definition(schema, subject.object_type())?;
    let node = match subject {
        Subject::Object(_) => None,
        Subject::Userset(_, relation) => Some(require_node(schema, definition, relation)?),
        Subject::Wildcard(_) => return Err(EngineError::WildcardSubject),
    };
    Ok(Asked { subject, definition, node, context })
}

pub(super) fn require_definition(schema: &Schema, name: &str) -> Result<DefinitionId, EngineError> {
    match schema.find_definition(name) {
        Some(definition) => Ok(definition.id),
        None => Err(EngineError::UnknownDefinition { name: name.to_owned() }),
    }
}

pub(super) fn require_node(
    schema: &Schema,
    definition: DefinitionId,
    name: &str,
) -> Result<NodeId, EngineError> {
    match schema.find_node(definition, name) {
        Some(node) => Ok(node.id),
        None => Err(EngineError::UnknownRelation {
            definition: schema.definition(definition).name.clone(),
            name: name.to_owned(),
        }),
    }
}
