//! Check: whether a subject has a permission on a resource.

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
use crate::engine::resolve::{ResolvedSubject, require_definition, require_node, resolve_subject};
use crate::engine::trace::tracer::TraceBudget;
use crate::relationship::RelationshipReader;
use crate::schema::Schema;

/// Evaluates one check.
///
/// # Errors
///
/// See [`EngineError`]; an error is never a "no".
pub fn check<R: RelationshipReader>(
    eval: &EvalContext<'_, R>,
    query: &CheckQuery<'_>,
) -> Result<CheckResult, EngineError> {
    let (onr, resolved) = resolve(eval.schema, query)?;
    answer(&mut CheckWalk::new(eval, resolved), &onr)
}

/// Evaluates several checks at the same revision, each as [`check`] would, in order.
///
/// Consecutive queries with the same subject and context share their intermediate results, unless traces are requested.
/// The traces share one [`TraceBudget`]: a trace that exceeds it is truncated to its root. Once one is interrupted, the others are
/// not evaluated.
pub fn check_each<'s, R: RelationshipReader>(
    eval: &EvalContext<'s, R>,
    queries: &[CheckQuery<'s>],
) -> Vec<Result<CheckResult, EngineError>> {
    check_until(eval, queries, &|_| false)
}

/// The same up to the first result that `is_last` holds for.
pub fn check_until<'s, R: RelationshipReader>(
    eval: &EvalContext<'s, R>,
    queries: &[CheckQuery<'s>],
    is_last: &dyn Fn(&Result<CheckResult, EngineError>) -> bool,
) -> Vec<Result<CheckResult, EngineError>> {
    let mut shared: Option<CheckWalk<'_, R>> = None;
    let mut budget = TraceBudget::default();
    let mut check = |query: &CheckQuery<'s>| {
        let (onr, resolved) = resolve(eval.schema, query)?;
        let walk = match shared.take() {
            Some(walk) if !eval.tracing && walk.is_for(&resolved) => shared.insert(walk),
            _ => shared.insert(CheckWalk::new(eval, resolved)),
        };
        let mut checked = answer(walk, &onr)?;
        if let Some(trace) = &mut checked.trace {
            budget.spend(trace);
        }
        Ok(checked)
    };

    let mut results = Vec::with_capacity(queries.len());
    let mut is_interrupted = false;
    for query in queries {
        // No one reads the answers to the others.
        let result = if is_interrupted { Err(EngineError::Interrupted) } else { check(query) };
        is_interrupted = matches!(result, Err(EngineError::Interrupted));
        let ends = is_last(&result);
        results.push(result);
        if ends {
            break;
        }
    }
    results
}

fn answer<R: RelationshipReader>(
    walk: &mut CheckWalk<'_, R>,
    onr: &ObjectAndRelation,
) -> Result<CheckResult, EngineError> {
    let permissionship = walk.run(onr)?.query_result()?;
    Ok(CheckResult { permissionship, trace: walk.take_trace(), statistics: walk.statistics() })
}

/// Resolves names to ids: the resource first, then the subject, which is the order of SpiceDB's errors.
fn resolve<'q>(
    schema: &Schema,
    query: &CheckQuery<'q>,
) -> Result<(ObjectAndRelation, ResolvedSubject<'q>), EngineError> {
    let resource = query.resource;
    let definition = require_definition(schema, resource.object_type())?;
    let node = require_node(schema, definition, query.permission)?;
    let resolved = resolve_subject(schema, query.subject, query.context)?;
    Ok(((node, resource.object_id().into()), resolved))
}
