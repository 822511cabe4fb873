//! Traces to `DebugInformation`.

use super::proto::authzed::api::v1 as proto;
use super::proto::authzed::api::v1::caveat_eval_info::Result as CaveatResult;
use super::proto::authzed::api::v1::check_debug_trace::{
    PermissionType, Permissionship, Resolution, SubProblems,
};
use super::to_proto;
use crate::engine::{CaveatOutcome, CaveatTrace, Membership, Trace};
use crate::relationship::Context;

/// The message of a trace, with the schema that was followed.
pub(super) fn information(trace: Option<&Trace>, schema: &str) -> Option<proto::DebugInformation> {
    Some(proto::DebugInformation {
        check: Some(step(trace?, "1".to_owned())),
        schema_used: schema.to_owned(),
    })
}

/// One step; the engine bounds how deep they lie and how many there are.
fn step(trace: &Trace, id: String) -> proto::CheckDebugTrace {
    let kind =
        if trace.is_permission { PermissionType::Permission } else { PermissionType::Relation };
    let children = trace.children.iter().enumerate();
    let traces: Vec<_> =
        children.map(|(index, child)| step(child, format!("{id}.{}", index + 1))).collect();
    let resolution = if traces.is_empty() {
        Resolution::WasCachedResult(trace.known)
    } else {
        Resolution::SubProblems(SubProblems { traces })
    };
    proto::CheckDebugTrace {
        resource: Some(to_proto::object(&trace.resource)),
        permission: trace.permission.clone(),
        permission_type: kind.into(),
        subject: Some(to_proto::subject(&trace.subject)),
        result: permissionship(trace.membership.as_ref()).into(),
        caveat_evaluation_info: caveats(&trace.caveats),
        duration: None,
        optional_expires_at: None,
        trace_operation_id: id,
        source: String::new(),
        resolution: Some(resolution),
    }
}

fn permissionship(membership: Option<&Membership>) -> Permissionship {
    match membership {
        None => Permissionship::Unspecified,
        Some(Membership::NotMember) => Permissionship::NoPermission,
        Some(Membership::Member) => Permissionship::HasPermission,
        Some(Membership::Conditional(_)) => Permissionship::ConditionalPermission,
    }
}

/// A step has room for one caveat. Several, on relationships of one relation, are told as their disjunction.
fn caveats(traces: &[CaveatTrace]) -> Option<proto::CaveatEvalInfo> {
    let decisive = traces.iter().min_by_key(|trace| rank(&trace.outcome))?;
    let (name, expression, context) = match traces {
        [only] => (only.name.clone(), only.expression.clone(), only.context.clone()),
        _ => (String::new(), disjunction(traces), merged(traces)),
    };
    let missing = match &decisive.outcome {
        CaveatOutcome::Missing(names) => Some(to_proto::missing_context(names)),
        CaveatOutcome::True | CaveatOutcome::False | CaveatOutcome::Failed(_) => None,
    };
    Some(proto::CaveatEvalInfo {
        expression,
        result: result(&decisive.outcome).into(),
        context: to_proto::context(&context),
        partial_caveat_info: missing,
        caveat_name: name,
    })
}

/// Which outcome decides a disjunction: the smallest.
fn rank(outcome: &CaveatOutcome) -> u8 {
    match outcome {
        CaveatOutcome::True => 0,
        CaveatOutcome::Missing(_) => 1,
        CaveatOutcome::Failed(_) => 2,
        CaveatOutcome::False => 3,
    }
}

fn result(outcome: &CaveatOutcome) -> CaveatResult {
    match outcome {
        CaveatOutcome::True => CaveatResult::True,
        CaveatOutcome::False => CaveatResult::False,
        CaveatOutcome::Missing(_) => CaveatResult::MissingSomeContext,
        CaveatOutcome::Failed(_) => CaveatResult::Unevaluated,
    }
}

fn disjunction(traces: &[CaveatTrace]) -> String {
    let expressions: Vec<String> =
        traces.iter().map(|trace| format!("({})", trace.expression)).collect();
    expressions.join(" || ")
}

fn merged(traces: &[CaveatTrace]) -> Context {
    let values = traces.iter().flat_map(|trace| trace.context.as_map().clone());
    Context::from_map(values.collect())
}
