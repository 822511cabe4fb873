//! Evidence: a check trace in words, as a tree that explains its result.

use crate::caveat::CaveatResult;
use crate::engine::{CaveatTrace, Trace};
use crate::relationship::Permissionship;
use crate::schema::{Arrow, Expr, Quantifier, Rule, Schema};
use std::collections::BTreeSet;

/// The end of the note of a step whose substeps were left out.
const STEPS_NOT_SHOWN: &str = "steps below are not shown";

/// A step of an explanation, with the steps that it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// The outcome of the step.
    pub mark: EvidenceOutcome,
    /// The object and permission, such as `document:plan#view`, or the caveat.
    pub subject_of: String,
    /// A note about it; may be empty.
    pub note: String,
    /// The steps that it rests on.
    pub children: Vec<Evidence>,
}

/// The outcome of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EvidenceOutcome {
    /// Yes.
    Yes,
    /// No.
    No,
    /// It depends on missing context.
    Conditional,
    /// A caveat failed.
    Failed,
}

impl Evidence {
    /// The explanation that a trace gives, with the expressions of the schema that was asked.
    pub fn from_trace(trace: &Trace, schema: &Schema) -> Self {
        let mut children: Vec<Self> = trace.caveats.iter().map(Self::caveat).collect();
        children.extend(trace.children.iter().map(|child| Self::from_trace(child, schema)));
        let mark = match &trace.permissionship {
            Some(Permissionship::HasPermission) => EvidenceOutcome::Yes,
            Some(Permissionship::NoPermission) => EvidenceOutcome::No,
            Some(Permissionship::Conditional(_)) => EvidenceOutcome::Conditional,
            None => EvidenceOutcome::Failed,
        };
        let subject_of = format!("{}#{}", trace.resource, trace.permission);
        let note = note(trace, mark, children.is_empty() && !trace.cut);
        let rule = permission_rule(schema, trace.resource.object_type(), &trace.permission);
        let note = rule.filter(|_| note.is_empty()).map_or(note, |rule| format!("= {rule}"));
        let note = if trace.cut { with_cut(&note) } else { note };
        Self { mark, subject_of, note, children }
    }

    fn caveat(caveat: &CaveatTrace) -> Self {
        let (mark, outcome) = match &caveat.result {
            Ok(CaveatResult::True) => (EvidenceOutcome::Yes, "holds".to_owned()),
            Ok(CaveatResult::False) => (EvidenceOutcome::No, "does not hold".to_owned()),
            Ok(CaveatResult::Missing(names)) => {
                (EvidenceOutcome::Conditional, format!("lacks {}", quoted(names)))
            }
            Err(reason) => (EvidenceOutcome::Failed, reason.clone()),
        };
        let context = if caveat.context.is_empty() {
            String::new()
        } else {
            format!(" with {}", caveat.context)
        };
        let note = format!("{outcome}: {}{context}", one_line(&caveat.expression));
        Self { mark, subject_of: format!("caveat {}", caveat.name), note, children: vec![] }
    }
}

/// The note of a step of which not every step below is shown.
pub fn with_cut(note: &str) -> String {
    let separator = if note.is_empty() { "" } else { "; " };
    format!("{note}{separator}{STEPS_NOT_SHOWN}")
}

fn note(trace: &Trace, mark: EvidenceOutcome, is_leaf: bool) -> String {
    if trace.known {
        return "known already".to_owned();
    }
    match (mark, is_leaf, trace.is_permission) {
        (EvidenceOutcome::Yes, true, false) => format!("names {}", trace.subject),
        (EvidenceOutcome::No, true, false) => format!("does not name {}", trace.subject),
        (
            EvidenceOutcome::Yes
            | EvidenceOutcome::No
            | EvidenceOutcome::Conditional
            | EvidenceOutcome::Failed,
            ..,
        ) => String::new(),
    }
}

fn quoted(names: &BTreeSet<String>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn one_line(expression: &str) -> String {
    expression.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// How a permission is computed, such as `viewer - banned`; nothing for a relation or an unknown name.
pub fn permission_rule(schema: &Schema, definition: &str, permission: &str) -> Option<String> {
    let definition = schema.find_definition(definition)?;
    match &schema.find_node(definition.id, permission)?.rule {
        Rule::Permission(expr) => Some(shown(schema, expr)),
        Rule::Relation(_) => None,
    }
}

fn shown(schema: &Schema, expr: &Expr) -> String {
    let operand = |expr: &Expr| match expr {
        Expr::Union(_) | Expr::Intersection(_) | Expr::Exclusion(..) => {
            format!("({})", shown(schema, expr))
        }
        Expr::Nil | Expr::Itself | Expr::Node(_) | Expr::Arrow(_) => shown(schema, expr),
    };
    let joined = |operands: &[Expr], operator: &str| {
        operands.iter().map(operand).collect::<Vec<_>>().join(operator)
    };

    match expr {
        Expr::Nil => "nil".to_owned(),
        Expr::Itself => "self".to_owned(),
        Expr::Node(node) => schema.node(*node).name.clone(),
        Expr::Arrow(arrow) => shown_arrow(schema, arrow),
        Expr::Union(operands) => joined(operands, " + "),
        Expr::Intersection(operands) => joined(operands, " & "),
        Expr::Exclusion(base, subtracted) => {
            format!("{} - {}", operand(base), operand(subtracted))
        }
    }
}

fn shown_arrow(schema: &Schema, arrow: &Arrow) -> String {
    let tupleset = &schema.node(arrow.tupleset).name;
    match arrow.quantifier {
        Quantifier::Any => format!("{tupleset}->{}", arrow.target),
        Quantifier::All => format!("{tupleset}.all({})", arrow.target),
    }
}
