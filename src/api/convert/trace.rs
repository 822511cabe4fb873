//! Traces of checks to messages.

use crate::api::middleware::call_ending::RequestIds;
use crate::api::sealed_token::StoreBytes;
use crate::engine::Trace;
use crate::proto::authzed::api::v1 as proto;
use crate::proto::authzed::api::v1::caveat_eval_info::Result as CaveatResult;
use crate::proto::authzed::api::v1::check_debug_trace::{
    PermissionType, Permissionship as WirePermissionship, Resolution, SubProblems,
};
use crate::proto::{TRUNCATED_TRACE_SOURCE, encode};
use crate::relationship::Permissionship;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Writes traces: with where they come from, and with ids that no other step has.
#[derive(Clone)]
pub(crate) struct TraceEncoder {
    source: Arc<str>,
    ids: RequestIds,
}

impl TraceEncoder {
    /// An encoder whose traces come from the store with this id.
    pub(crate) fn new(store: StoreBytes, ids: RequestIds) -> Self {
        let source = format!("kilwa:{:032x}", u128::from_be_bytes(store)).into();
        Self { source, ids }
    }

    /// The message of a trace, with the schema that was followed.
    pub(crate) fn information(&self, trace: &Trace, schema: &str) -> proto::DebugInformation {
        let id = format!("{}/1", (self.ids)());
        let check = Some(step(trace, id, &self.source));
        proto::DebugInformation { check, schema_used: schema.to_owned() }
    }
}

impl fmt::Debug for TraceEncoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TraceEncoder").field("source", &self.source).finish_non_exhaustive()
    }
}

/// One step of a trace, with an id that is its path. The engine bounds the depth and number of steps.
fn step(trace: &Trace, id: String, source: &str) -> proto::CheckDebugTrace {
    let kind =
        if trace.is_permission { PermissionType::Permission } else { PermissionType::Relation };
    let children = trace.children.iter().enumerate();
    let traces: Vec<_> =
        children.map(|(index, child)| step(child, format!("{id}.{}", index + 1), source)).collect();

    // A step without a resolution has been truncated. `source` marks it too, and steps that are truncated in part.
    let resolution = match (traces.is_empty(), trace.cut) {
        (true, true) => None,
        (true, false) => Some(Resolution::WasCachedResult(trace.known)),
        (false, _) => Some(Resolution::SubProblems(SubProblems { traces })),
    };
    let source = if trace.cut {
        source.replacen("kilwa:", TRUNCATED_TRACE_SOURCE, 1)
    } else {
        source.to_owned()
    };

    proto::CheckDebugTrace {
        resource: Some(encode::object(&trace.resource)),
        permission: trace.permission.clone(),
        permission_type: kind.into(),
        subject: Some(encode::subject(&trace.subject)),
        result: permissionship(trace).into(),
        caveat_evaluation_info: caveats(trace),
        duration: duration(trace.duration),
        optional_expires_at: None,
        trace_operation_id: id,
        source,
        resolution,
    }
}

/// Nothing for a step that was not timed.
fn duration(duration: Duration) -> Option<prost_types::Duration> {
    prost_types::Duration::try_from(duration).ok().filter(|_| !duration.is_zero())
}

/// With a caveat it is conditional, whatever the caveat's value, which is a field of its own.
fn permissionship(trace: &Trace) -> WirePermissionship {
    match &trace.permissionship {
        None | Some(Permissionship::Conditional(_)) => WirePermissionship::ConditionalPermission,
        Some(Permissionship::NoPermission | Permissionship::HasPermission)
            if trace.condition.is_some() =>
        {
            WirePermissionship::ConditionalPermission
        }
        Some(Permissionship::NoPermission) => WirePermissionship::NoPermission,
        Some(Permissionship::HasPermission) => WirePermissionship::HasPermission,
    }
}

/// What caveats made of a step. Clients count on it wherever the permissionship is conditional.
fn caveats(trace: &Trace) -> Option<proto::CaveatEvalInfo> {
    let (result, missing) = match &trace.permissionship {
        None => (CaveatResult::Unevaluated, None),
        Some(Permissionship::Conditional(names)) => {
            (CaveatResult::MissingSomeContext, Some(encode::missing_context(names)))
        }
        Some(_) if trace.condition.is_none() => return None,
        Some(Permissionship::HasPermission) => (CaveatResult::True, None),
        Some(Permissionship::NoPermission) => (CaveatResult::False, None),
    };
    let condition = trace.condition.clone();
    let context = condition.as_ref().map(|condition| encode::structure(&condition.context));
    let (expression, caveat) =
        condition.map(|condition| (condition.expression, condition.caveat)).unwrap_or_default();

    Some(proto::CaveatEvalInfo {
        expression,
        result: result.into(),
        context: Some(context.unwrap_or_default()),
        partial_caveat_info: missing,
        caveat_name: caveat.unwrap_or_default(),
    })
}
