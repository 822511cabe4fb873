//! Draws an explanation as a tree.

use super::render::{BAD, DIM, DOUBTFUL, GOOD, styled};
use crate::validation::{Evidence, Mark};

/// The explanation, a line a step, each line after `indent`.
pub(super) fn draw(evidence: &Evidence, indent: &str) -> String {
    let mut lines = vec![format!("{indent}{}\n", step(evidence))];
    let mut open: Vec<(&Evidence, String, bool)> = Vec::new();
    push_children(evidence, indent, &mut open);
    while let Some((evidence, indent, is_last)) = open.pop() {
        let branch = if is_last { "└─ " } else { "├─ " };
        lines.push(format!("{indent}{}{}\n", styled(DIM, branch), step(evidence)));
        let bar = if is_last { "   " } else { "│  " };
        push_children(evidence, &format!("{indent}{}", styled(DIM, bar)), &mut open);
    }
    lines.concat()
}

/// The explanation without styles, a line a step.
pub(super) fn plain(evidence: &Evidence) -> String {
    anstream::adapter::strip_str(&draw(evidence, "")).to_string()
}

fn push_children<'e>(
    evidence: &'e Evidence,
    indent: &str,
    open: &mut Vec<(&'e Evidence, String, bool)>,
) {
    let children = evidence.children.iter().rev().enumerate();
    open.extend(children.map(|(at, child)| (child, indent.to_owned(), at == 0)));
}

fn step(evidence: &Evidence) -> String {
    let mark = match evidence.mark {
        Mark::Yes => styled(GOOD, "✓"),
        Mark::No => styled(BAD, "✗"),
        Mark::Conditional => styled(DOUBTFUL, "?"),
        Mark::Failed => styled(BAD, "!"),
    };
    match &*evidence.note {
        "" => format!("{mark} {}", evidence.subject_of),
        note => format!("{mark} {} {}", evidence.subject_of, styled(DIM, note)),
    }
}
