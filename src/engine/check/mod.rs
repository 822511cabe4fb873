//! Check: is the subject in the relation or permission of the resource?

pub(super) mod answer_cache;
pub(super) mod branches;
pub(super) mod memo;
pub(super) mod node_result;
pub(super) mod query;
pub(super) mod reader;
pub(super) mod stack;
pub(super) mod walk;

use crate::engine::check::query::{CheckQuery, CheckResult};
use crate::engine::check::walk::CheckWalk;
use crate::engine::error::EngineError;
use crate::engine::eval_context::EvalContext;
use crate::engine::object_and_relation::ObjectAndRelation;
use crate::engine::resolve::{ResolvedSubject, ask_about, require_definition, require_node};
use crate::engine::trace::tracer::TraceBudget;
use crate::relationship::RelationshipReader;
use crate::schema::Schema;

/// Answers one question.
pub fn check<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    question: &CheckQuery<'_>,
) -> Result<CheckResult, EngineError> {
    let (place, asked) = resolve(scope.schema, question)?;
    answer(&mut CheckWalk::new(scope, asked), &place)
}

/// Answers several questions at the same moment, each as [`check`] would, in order. Questions that ask about the same
/// subject in the same context and follow one another share what they find, unless each has to tell its whole way. What their
/// traces tell is bounded together: a trace that no longer fits is its root alone.
pub fn check_each<R: RelationshipReader>(
    scope: &EvalContext<'_, R>,
    questions: &[CheckQuery<'_>],
) -> Vec<Result<CheckResult, EngineError>> {
    let mut shared: Option<CheckWalk<'_, R>> = None;
    let mut budget = TraceBudget::default();
    questions
        .iter()
        .map(|question| {
            let (place, asked) = resolve(scope.schema, question)?;
            let walk = match shared.take() {
                Some(walk) if !scope.tracing && walk.asks_for(&asked) => shared.insert(walk),
                _ => shared.insert(CheckWalk::new(scope, asked)),
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
    walk: &mut CheckWalk<'_, R>,
    place: &ObjectAndRelation,
) -> Result<CheckResult, EngineError> {
    let permissionship = walk.run(place)?.query_result()?;
    Ok(CheckResult { permissionship, trace: walk.take_trace(), statistics: walk.statistics() })
}

/// Turns names into ids: the resource's first, then the subject's.
fn resolve<'q>(
    schema: &Schema,
    question: &CheckQuery<'q>,
) -> Result<(ObjectAndRelation, ResolvedSubject<'q>), EngineError> {
    let resource = question.resource;
    let definition = require_definition(schema, resource.object_type())?;
    let node = require_node(schema, definition, question.permission)?;
    let asked = ask_about(schema, question.subject, question.context)?;
    Ok(((node, resource.object_id().into()), asked))
}
