//! Why a check came out as it did, in a sentence.

use crate::proto::authzed::api::v1::CheckDebugTrace;
use crate::proto::authzed::api::v1::check_debug_trace::{Permissionship, Resolution};

/// The longest path that is shown.
const STEPS_MAX: usize = 20;

/// The path that grants a permission, or that there is none.
pub(super) fn of(permits: bool, trace: Option<CheckDebugTrace>) -> String {
    let wanted =
        if permits { Permissionship::HasPermission } else { Permissionship::ConditionalPermission };

    let mut steps = Vec::new();
    let mut next = trace;
    while let Some(trace) = next.take() {
        if trace.result() != wanted || steps.len() == STEPS_MAX {
            break;
        }
        let resource = trace.resource.unwrap_or_default();
        steps.push(format!("{}:{}#{}", resource.object_type, resource.object_id, trace.permission));
        if let Some(Resolution::SubProblems(below)) = trace.resolution {
            next = below.traces.into_iter().find(|trace| trace.result() == wanted);
        }
    }
    match (permits, steps.is_empty()) {
        (true, true) => "granted".to_owned(),
        (true, false) => format!("granted by {}", steps.join(" via ")),
        (false, true) => "no relationship grants it".to_owned(),
        (false, false) => format!("missing context decides {}", steps.join(" via ")),
    }
}
