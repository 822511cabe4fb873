//! Explanations of checks, from the traces of responses.

use super::decode;
use crate::proto::TRUNCATED_TRACE_SOURCE;
use crate::proto::authzed::api::v1::caveat_eval_info::Result as CaveatResult;
use crate::proto::authzed::api::v1::check_debug_trace::{
    PermissionType, Permissionship as WirePermissionship, Resolution,
};
use crate::proto::authzed::api::v1::{
    CaveatEvalInfo, CheckDebugTrace, DebugInformation, SubjectReference,
};
use crate::schema::{self, Schema};
use crate::validation::{Evidence, EvidenceOutcome, permission_rule, with_cut};

/// The schema that a response carries with a trace.
pub(super) fn traced_schema(debug: Option<&DebugInformation>) -> Option<Schema> {
    let text = debug.map(|debug| debug.schema_used.as_str()).filter(|text| !text.is_empty())?;
    schema::compile(text).ok()
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// The explanation of a check. `schema` supplies the expressions of its permissions.
pub(super) fn evidence(trace: &CheckDebugTrace, schema: Option<&Schema>) -> Evidence {
    let (known, steps): (bool, &[CheckDebugTrace]) = match &trace.resolution {
        Some(Resolution::WasCachedResult(known)) => (*known, &[]),
        Some(Resolution::SubProblems(problems)) => (false, &problems.traces),
        None => (false, &[]),
    };
    let info = trace.caveat_evaluation_info.as_ref();
    // Each step repeats the evaluation of the caveats below it.
    let repeated = |info: &CaveatEvalInfo| {
        let mut below = steps.iter().filter_map(|step| step.caveat_evaluation_info.as_ref());
        below.any(|below| below.expression == info.expression)
    };
    let caveat = info.filter(|info| !repeated(info)).into_iter().map(caveat);
    let children: Vec<Evidence> =
        caveat.chain(steps.iter().map(|step| evidence(step, schema))).collect();

    let resource = trace.resource.clone().unwrap_or_default();
    let mark = match (trace.result(), info) {
        (WirePermissionship::HasPermission, _) => EvidenceOutcome::Yes,
        (WirePermissionship::NoPermission, _) => EvidenceOutcome::No,
        (WirePermissionship::Unspecified, _) => EvidenceOutcome::Failed,
        (WirePermissionship::ConditionalPermission, None) => EvidenceOutcome::Conditional,
        (WirePermissionship::ConditionalPermission, Some(info)) => caveat_mark(info),
    };

    let subject = shown_subject(trace.subject.as_ref());
    let cut = trace.source.starts_with(TRUNCATED_TRACE_SOURCE);
    let is_relation = trace.permission_type() != PermissionType::Permission;
    let names = is_relation && children.is_empty() && !cut;
    let note = match (known, names, mark) {
        (true, ..) => "known already".to_owned(),
        (false, true, EvidenceOutcome::Yes) => format!("names {subject}"),
        (false, true, EvidenceOutcome::No) => format!("does not name {subject}"),
        (false, ..) => schema
            .and_then(|schema| permission_rule(schema, &resource.object_type, &trace.permission))
            .map_or(String::new(), |rule| format!("= {rule}")),
    };

    let note = if cut { with_cut(&note) } else { note };
    let subject_of =
        format!("{}:{}#{}", resource.object_type, resource.object_id, trace.permission);
    Evidence { mark, subject_of, note, children }
}

fn shown_subject(subject: Option<&SubjectReference>) -> String {
    let subject = subject.cloned().unwrap_or_default();
    let object = subject.object.unwrap_or_default();
    let relation = match &*subject.optional_relation {
        "" => String::new(),
        relation => format!("#{relation}"),
    };
    format!("{}:{}{relation}", object.object_type, object.object_id)
}

fn caveat_mark(info: &CaveatEvalInfo) -> EvidenceOutcome {
    match info.result() {
        CaveatResult::True => EvidenceOutcome::Yes,
        CaveatResult::False => EvidenceOutcome::No,
        CaveatResult::MissingSomeContext => EvidenceOutcome::Conditional,
        CaveatResult::Unevaluated | CaveatResult::Unspecified => EvidenceOutcome::Failed,
    }
}

fn caveat(info: &CaveatEvalInfo) -> Evidence {
    let missing = info.partial_caveat_info.clone().unwrap_or_default().missing_required_context;
    let outcome = match info.result() {
        CaveatResult::True => "holds".to_owned(),
        CaveatResult::False => "does not hold".to_owned(),
        CaveatResult::MissingSomeContext => format!("lacks {}", quoted(&missing)),
        CaveatResult::Unevaluated | CaveatResult::Unspecified => "was not evaluated".to_owned(),
    };
    let context = info.context.clone().and_then(|context| decode::context("context", context).ok());
    let context = context.unwrap_or_default();
    let with = if context.is_empty() { String::new() } else { format!(" with {context}") };
    Evidence {
        mark: caveat_mark(info),
        subject_of: format!("caveat {}", info.caveat_name).trim_end().to_owned(),
        note: format!("{outcome}: {}{with}", info.expression),
        children: vec![],
    }
}
