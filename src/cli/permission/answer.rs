//! Answers of the wire: in a word, as JSON, and explained.

use crate::api::proto::authzed::api::v1::caveat_eval_info::Result as CaveatResult;
use crate::api::proto::authzed::api::v1::check_debug_trace::{Permissionship, Resolution};
use crate::api::proto::authzed::api::v1::{
    CaveatEvalInfo, CheckDebugTrace, DebugInformation, PartialCaveatInfo, SubjectReference,
};
use crate::cli::message::to_context;
use crate::schema::{self, Schema};
use crate::validation::{Evidence, Mark, permission_rule};
use serde_json::{Value, json};

/// An answer, whichever call it came from: all of them number their values alike.
#[derive(Debug)]
pub(super) struct Answer {
    permissionship: Permissionship,
    missing: Vec<String>,
    evidence: Option<Evidence>,
}

impl Answer {
    pub(super) fn new(
        permissionship: i32,
        partial: Option<PartialCaveatInfo>,
        debug: Option<DebugInformation>,
    ) -> Self {
        let permissionship = Permissionship::try_from(permissionship).unwrap_or_default();
        let mut missing = partial.unwrap_or_default().missing_required_context;
        missing.sort();
        Self { permissionship, missing, evidence: debug.and_then(explained) }
    }

    pub(super) fn is_yes(&self) -> bool {
        self.permissionship == Permissionship::HasPermission
    }

    pub(super) fn word(&self) -> &'static str {
        match self.permissionship {
            Permissionship::HasPermission => "true",
            Permissionship::ConditionalPermission => "caveated",
            Permissionship::NoPermission | Permissionship::Unspecified => "false",
        }
    }

    /// The names of the context that the answer lacks, in words; nothing when it lacks none.
    pub(super) fn lacks(&self) -> Option<String> {
        (!self.missing.is_empty()).then(|| quoted(&self.missing))
    }

    pub(super) fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_ref()
    }

    /// The fields that every answer has.
    pub(super) fn json(&self) -> Value {
        let mut json = json!({ "permissionship": self.permissionship.as_str_name() });
        let mut set = |name: &str, value: Value| {
            if let Some(fields) = json.as_object_mut() {
                fields.insert(name.to_owned(), value);
            }
        };
        if !self.missing.is_empty() {
            set("partialCaveatInfo", json!({ "missingRequiredContext": self.missing }));
        }
        if let Some(evidence) = self.evidence() {
            set("explanation", step(evidence));
        }
        json
    }
}

fn quoted(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn step(evidence: &Evidence) -> Value {
    let result = match evidence.mark {
        Mark::Yes => "true",
        Mark::No => "false",
        Mark::Conditional => "caveated",
        Mark::Failed => "failed",
    };
    let steps: Vec<Value> = evidence.children.iter().map(step).collect();
    json!({ "of": evidence.subject_of, "result": result, "note": evidence.note, "steps": steps })
}

/// The trace in words, with the expressions of the schema that came with it.
fn explained(debug: DebugInformation) -> Option<Evidence> {
    let schema = schema::compile(&debug.schema_used).ok();
    debug.check.map(|trace| evidence(&trace, schema.as_ref()))
}

fn evidence(trace: &CheckDebugTrace, schema: Option<&Schema>) -> Evidence {
    let (known, steps): (bool, &[CheckDebugTrace]) = match &trace.resolution {
        Some(Resolution::WasCachedResult(known)) => (*known, &[]),
        Some(Resolution::SubProblems(problems)) => (false, &problems.traces),
        None => (false, &[]),
    };
    let caveat = trace.caveat_evaluation_info.iter().map(caveat);
    let children: Vec<Evidence> =
        caveat.chain(steps.iter().map(|step| evidence(step, schema))).collect();
    let resource = trace.resource.clone().unwrap_or_default();
    let mark = match trace.result() {
        Permissionship::HasPermission => Mark::Yes,
        Permissionship::ConditionalPermission => Mark::Conditional,
        Permissionship::NoPermission => Mark::No,
        Permissionship::Unspecified => Mark::Failed,
    };
    let subject = shown_subject(trace.subject.as_ref());
    let note = match (known, children.is_empty(), mark) {
        (true, ..) => "known already".to_owned(),
        (false, true, Mark::Yes) => format!("names {subject}"),
        (false, true, Mark::No) => format!("does not name {subject}"),
        (false, ..) => schema
            .and_then(|schema| permission_rule(schema, &resource.object_type, &trace.permission))
            .map_or(String::new(), |rule| format!("= {rule}")),
    };
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

fn caveat(info: &CaveatEvalInfo) -> Evidence {
    let missing = info.partial_caveat_info.clone().unwrap_or_default().missing_required_context;
    let (mark, outcome) = match info.result() {
        CaveatResult::True => (Mark::Yes, "holds".to_owned()),
        CaveatResult::False => (Mark::No, "does not hold".to_owned()),
        CaveatResult::MissingSomeContext => {
            (Mark::Conditional, format!("lacks {}", quoted(&missing)))
        }
        CaveatResult::Unevaluated | CaveatResult::Unspecified => {
            (Mark::Conditional, "was not evaluated".to_owned())
        }
    };
    let context = to_context(info.context.clone());
    let with = if context.is_empty() { String::new() } else { format!(" with {context}") };
    Evidence {
        mark,
        subject_of: format!("caveat {}", info.caveat_name).trim_end().to_owned(),
        note: format!("{outcome}: {}{with}", info.expression),
        children: vec![],
    }
}
