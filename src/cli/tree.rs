//! Trees of explanations.

use super::render::{BAD, DIM, DOUBTFUL, GOOD, styled};
use crate::validation::{Evidence, EvidenceOutcome};

/// The explanation with one line per step, each after `indent`.
pub(super) fn draw(evidence: &Evidence, indent: &str) -> String {
    draw_nodes(evidence, indent, step, |evidence: &Evidence| evidence.children.iter().collect())
}

/// The explanation without styles, with one line per step.
pub(super) fn plain(evidence: &Evidence) -> String {
    anstream::adapter::strip_str(&draw(evidence, "")).to_string()
}

/// A tree with one line per node, each after `indent`.
pub(super) fn draw_nodes<N: Copy>(
    root: N,
    indent: &str,
    line: impl Fn(N) -> String,
    children: impl Fn(N) -> Vec<N>,
) -> String {
    let mut lines = vec![format!("{indent}{}\n", line(root))];
    let mut open: Vec<(N, String, bool)> = Vec::new();
    let push_children = |node: N, indent: &str, open: &mut Vec<(N, String, bool)>| {
        let children = children(node).into_iter().rev().enumerate();
        open.extend(children.map(|(at, child)| (child, indent.to_owned(), at == 0)));
    };
    push_children(root, indent, &mut open);
    while let Some((node, indent, is_last)) = open.pop() {
        let branch = if is_last { "└─ " } else { "├─ " };
        lines.push(format!("{indent}{}{}\n", styled(DIM, branch), line(node)));
        let bar = if is_last { "   " } else { "│  " };
        push_children(node, &format!("{indent}{}", styled(DIM, bar)), &mut open);
    }
    lines.concat()
}

fn step(evidence: &Evidence) -> String {
    let mark = match evidence.mark {
        EvidenceOutcome::Yes => styled(GOOD, "✓"),
        EvidenceOutcome::No => styled(BAD, "✗"),
        EvidenceOutcome::Conditional => styled(DOUBTFUL, "?"),
        EvidenceOutcome::Failed => styled(BAD, "!"),
    };
    match &*evidence.note {
        "" => format!("{mark} {}", evidence.subject_of),
        note => format!("{mark} {} {}", evidence.subject_of, styled(DIM, note)),
    }
}
