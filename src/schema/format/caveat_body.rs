//! The text between the braces of a caveat, laid out: its lines are moved together, and what they say stays as written.

use super::tokens::LayoutToken;
use std::ops::Range;

/// A body, without its braces.
#[derive(Debug)]
pub(super) enum Body<'t> {
    Empty,
    /// A body that stands on the line of its braces.
    Short(&'t str),
    /// What follows the opening brace, up to the line of the closing one.
    Lines(String),
}

/// Whether a body stands on the line of its braces.
pub(super) fn is_short(token: &LayoutToken<'_>) -> bool {
    !token.text.contains(['\n', '\r'])
}

pub(super) fn body<'t>(token: &LayoutToken<'t>, line_ending: &str) -> Body<'t> {
    let trimmed = token.text.trim();
    if trimmed.is_empty() {
        Body::Empty
    } else if is_short(token) {
        Body::Short(trimmed)
    } else {
        Body::Lines(lines(token, line_ending))
    }
}

fn lines(token: &LayoutToken<'_>, line_ending: &str) -> String {
    let lines = split(token.text, &token.literals);
    let common = common_indent(lines.get(1..).unwrap_or_default());
    let mut text = String::new();
    let mut blank_lines = 0;
    let mut ends_in_literal = false;
    for (at, line) in lines.iter().enumerate() {
        if !line.starts_in_literal && line.text.trim().is_empty() {
            blank_lines += 1;
            continue;
        }

        let content = if line.ends_in_literal { line.text } else { line.text.trim_end() };
        let is_note = at == 0 && content.trim_start().starts_with("//");
        if is_note {
            text.push(' ');
            text.push_str(content.trim_start());
        } else if line.starts_in_literal {
            text.push_str(content);
        } else {
            // No blank lines at the start of a body.
            let is_first = text.is_empty();
            text.push_str(line_ending);
            text.push_str(if blank_lines > 0 && !is_first { line_ending } else { "" });
            let rest = content.strip_prefix(common).filter(|_| at > 0);
            text.push('\t');
            text.push_str(rest.unwrap_or(content.trim_start()));
        }
        ends_in_literal = line.ends_in_literal;
        text.push_str(if ends_in_literal { line.ending } else { "" });
        blank_lines = 0;
    }
    debug_assert!(!ends_in_literal, "a literal ends within its body");
    text
}

/// A line of a body.
struct BodyLine<'t> {
    text: &'t str,
    /// Its line break.
    ending: &'t str,
    starts_in_literal: bool,
    ends_in_literal: bool,
}

fn split<'t>(text: &'t str, literals: &[Range<usize>]) -> Vec<BodyLine<'t>> {
    let is_inside = |at: usize| {
        let next = literals.partition_point(|literal| literal.end <= at);
        literals.get(next).is_some_and(|literal| literal.start < at)
    };
    let mut lines = Vec::new();
    let mut start = 0;

    loop {
        let rest = text.get(start..).unwrap_or_default();
        let length = rest.find(['\n', '\r']).unwrap_or(rest.len());
        let after = rest.get(length..).unwrap_or_default();
        let ending = if after.starts_with("\r\n") { 2 } else { after.len().min(1) };
        lines.push(BodyLine {
            text: rest.get(..length).unwrap_or_default(),
            ending: after.get(..ending).unwrap_or_default(),
            starts_in_literal: is_inside(start),
            ends_in_literal: is_inside(start + length),
        });
        if ending == 0 {
            return lines;
        }
        start += length + ending;
    }
}

/// The spaces and tabs that all lines start with.
fn common_indent<'t>(lines: &[BodyLine<'t>]) -> &'t str {
    let moved = lines.iter().filter(|line| !line.starts_in_literal && !line.text.trim().is_empty());
    let indents = moved.map(|line| {
        let spaces = line.text.len() - line.text.trim_start_matches([' ', '\t']).len();
        line.text.get(..spaces).unwrap_or_default()
    });
    indents
        .reduce(|common, indent| {
            let same = common.bytes().zip(indent.bytes()).take_while(|(one, other)| one == other);
            common.get(..same.count()).unwrap_or_default()
        })
        .unwrap_or_default()
}
