//! A trace in words: why an answer is what it is, as a tree for people to read.

use crate::engine::{CaveatOutcome, CaveatTrace, Membership, Trace};
use std::collections::BTreeSet;

/// A step of an explanation, with the steps that it rests on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// What came of the step.
    pub mark: Mark,
    /// What was looked into, such as `document:plan#view`.
    pub subject_of: String,
    /// What else there is to say about it; may be empty.
    pub note: String,
    /// The steps that it rests on.
    pub children: Vec<Evidence>,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mark {
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
    /// The explanation that a trace gives.
    pub fn of(trace: &Trace) -> Self {
        let mut children: Vec<Self> = trace.caveats.iter().map(Self::caveat).collect();
        children.extend(trace.children.iter().map(Self::of));
        let mark = match &trace.membership {
            Some(Membership::Member) => Mark::Yes,
            Some(Membership::NotMember) => Mark::No,
            Some(Membership::Conditional(_)) => Mark::Conditional,
            None => Mark::Failed,
        };
        let subject_of = format!("{}#{}", trace.resource, trace.permission);
        Self { mark, subject_of, note: note(trace, mark, children.is_empty()), children }
    }

    fn caveat(caveat: &CaveatTrace) -> Self {
        let (mark, outcome) = match &caveat.outcome {
            CaveatOutcome::True => (Mark::Yes, "holds".to_owned()),
            CaveatOutcome::False => (Mark::No, "does not hold".to_owned()),
            CaveatOutcome::Missing(names) => {
                (Mark::Conditional, format!("lacks {}", quoted(names)))
            }
            CaveatOutcome::Failed(reason) => (Mark::Failed, reason.clone()),
        };
        let context = match caveat.context.is_empty() {
            true => String::new(),
            false => format!(" with {}", caveat.context),
        };
        let note = format!("{outcome}: {}{context}", one_line(&caveat.expression));
        Self { mark, subject_of: format!("caveat {}", caveat.name), note, children: vec![] }
    }
}

fn note(trace: &Trace, mark: Mark, is_leaf: bool) -> String {
    if trace.known {
        return "as above".to_owned();
    }
    match (mark, is_leaf, trace.is_permission) {
        (Mark::Yes, true, false) => format!("names {}", trace.subject),
        (Mark::No, true, false) => format!("does not name {}", trace.subject),
        (Mark::Yes | Mark::No | Mark::Conditional | Mark::Failed, ..) => String::new(),
    }
}

fn quoted(names: &BTreeSet<String>) -> String {
    let names: Vec<String> = names.iter().map(|name| format!("`{name}`")).collect();
    names.join(", ")
}

fn one_line(expression: &str) -> String {
    expression.split_whitespace().collect::<Vec<_>>().join(" ")
}
