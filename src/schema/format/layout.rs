//! Puts tokens into lines.
//!
//! A statement starts a line; a line break inside of a statement stays where its author put it. Comments stay on the line
//! of the token before them, or on lines of their own. Runs of blank lines become one. Each decision depends on properties that
//! formatting preserves, so that formatting is idempotent.

use super::caveat_body::{self, Body};
use super::tokens::{LayoutToken, TokenKind};

/// What stands between two tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gap {
    Nothing,
    Space,
    /// A line break, with or without a blank line.
    Line {
        blank: bool,
    },
}

/// The text of tokens, laid out, with the given line ending.
pub(super) fn layout(tokens: &[LayoutToken<'_>], line_ending: &'static str) -> String {
    let mut layout = Layout { line_ending, ..Layout::default() };
    let following = following(tokens);
    let mut previous = None;
    for (token, following) in tokens.iter().zip(following) {
        layout.put(previous, token, following);
        previous = Some(token);
    }
    if !layout.text.is_empty() {
        layout.text.push_str(line_ending);
    }
    layout.text
}

/// For each token, the first of it and its successors that is no comment.
fn following<'a, 't>(tokens: &'a [LayoutToken<'t>]) -> Vec<Option<&'a LayoutToken<'t>>> {
    let mut next = None;
    let mut following: Vec<_> = tokens
        .iter()
        .rev()
        .map(|token| {
            next = if token.is_comment() { next } else { Some(token) };
            next
        })
        .collect();
    following.reverse();
    following
}

#[derive(Default)]
struct Layout {
    text: String,
    line_ending: &'static str,
    /// How many braces are open.
    depth: usize,
    /// How far the current line is indented.
    line_level: usize,
    /// For each open parenthesis, how far its line is indented.
    parentheses: Vec<usize>,
    /// Whether everything since the last opening brace stands on its line.
    is_one_line: bool,
}

impl Layout {
    fn put(
        &mut self,
        previous: Option<&LayoutToken<'_>>,
        token: &LayoutToken<'_>,
        following: Option<&LayoutToken<'_>>,
    ) {
        if token.starts_statement {
            self.parentheses.clear();
        }

        match self.gap(previous, token) {
            Gap::Nothing => {}
            Gap::Space => self.text.push(' '),
            Gap::Line { blank } => {
                let level = self.level(token, following);
                self.line(blank, level);
            }
        }

        match token.kind {
            TokenKind::LineComment => self.text.push_str(token.text.trim_end()),
            TokenKind::BlockComment => self.block_comment(token),
            TokenKind::CaveatBody => self.caveat_body(token),
            TokenKind::Word | TokenKind::Sign | TokenKind::Quoted => self.text.push_str(token.text),
        }
        self.note_brackets(token);
    }

    fn note_brackets(&mut self, token: &LayoutToken<'_>) {
        if token.is_sign("{") {
            self.depth += 1;
            self.is_one_line = true;
        } else if token.is_sign("}") {
            self.depth = self.depth.saturating_sub(1);
        } else if token.is_sign("(") {
            self.parentheses.push(self.line_level);
        } else if token.is_sign(")") {
            self.parentheses.pop();
        }
    }

    fn line(&mut self, blank: bool, level: usize) {
        self.text.push_str(self.line_ending);
        if blank {
            self.text.push_str(self.line_ending);
        }
        self.text.extend(std::iter::repeat_n('\t', level));
        self.line_level = level;
        self.is_one_line = false;
    }

    fn gap(&self, previous: Option<&LayoutToken<'_>>, token: &LayoutToken<'_>) -> Gap {
        let Some(previous) = previous else { return Gap::Nothing };
        let after_opening = previous.is_sign("{") || previous.is_sign("(");
        let before_closing = token.is_sign("}") || token.is_sign(")");
        let line = Gap::Line { blank: token.breaks > 1 && !after_opening && !before_closing };

        if previous.kind == TokenKind::LineComment || token.starts_statement {
            return line;
        }
        if token.is_comment() {
            return if token.breaks > 0 { line } else { Gap::Space };
        }
        if token.kind == TokenKind::CaveatBody || token.is_sign(";") {
            return Gap::Nothing;
        }
        if token.is_sign("}") {
            return self.gap_before_brace(previous, token);
        }
        if token.breaks > 0 && (previous.is_comment() || may_break(previous, token)) {
            line
        } else if is_spaced(previous, token) {
            Gap::Space
        } else {
            Gap::Nothing
        }
    }

    fn gap_before_brace(&self, previous: &LayoutToken<'_>, brace: &LayoutToken<'_>) -> Gap {
        let is_short_body =
            previous.kind == TokenKind::CaveatBody && caveat_body::is_short(previous);
        let is_empty_body =
            previous.kind == TokenKind::CaveatBody && previous.text.trim().is_empty();
        if previous.is_sign("{") || is_empty_body {
            Gap::Nothing
        } else if is_short_body || (self.is_one_line && brace.breaks == 0) {
            Gap::Space
        } else {
            Gap::Line { blank: false }
        }
    }

    /// How far a token that starts a line is indented. `following` is the first of it and its successors that is no
    /// comment: a comment is indented like what it stands above.
    fn level(&self, token: &LayoutToken<'_>, following: Option<&LayoutToken<'_>>) -> usize {
        let inside = self.parentheses.last();
        if token.is_sign("}") {
            return self.depth.saturating_sub(1);
        }
        if token.is_sign(")") {
            return inside.copied().unwrap_or(self.depth);
        }
        let between_statements = |next: &LayoutToken<'_>| {
            next.starts_statement || next.is_sign("}") || next.is_sign(";")
        };
        if token.is_sign("{") || following.is_none_or(between_statements) {
            return self.depth;
        }
        inside.map_or(self.depth, |level| *level) + 1
    }

    /// Moves the lines of a comment as far as its first one is moved.
    fn block_comment(&mut self, token: &LayoutToken<'_>) {
        let mut lines = token.text.lines();
        self.text.push_str(lines.next().unwrap_or_default().trim_end());
        for line in lines {
            self.text.push_str(self.line_ending);
            let line = line.trim_end();
            match line.strip_prefix(token.indent) {
                Some(rest) if !line.is_empty() => {
                    self.text.extend(std::iter::repeat_n('\t', self.line_level));
                    self.text.push_str(rest);
                }
                _ => self.text.push_str(line),
            }
        }
    }

    fn caveat_body(&mut self, token: &LayoutToken<'_>) {
        match caveat_body::body(token, self.line_ending) {
            Body::Empty => {}
            Body::Short(text) => {
                self.text.push(' ');
                self.text.push_str(text);
            }
            Body::Lines(text) => {
                self.text.push_str(&text);
                self.is_one_line = false;
            }
        }
    }
}

/// Whether a line break that stands between two tokens stays. Elsewhere the second belongs to the line of the first.
fn may_break(previous: &LayoutToken<'_>, token: &LayoutToken<'_>) -> bool {
    let joins_before = ["{", ":", "=", "#", "/", "<", ">", "*"].iter().any(|s| token.is_sign(s));
    let joins_after = ["#", "/", "<"].iter().any(|sign| previous.is_sign(sign));
    let opens_call = token.is_sign("(") && previous.kind == TokenKind::Word;
    !(joins_before || joins_after || opens_call)
}

/// Whether two tokens of one line have a space between them.
fn is_spaced(previous: &LayoutToken<'_>, token: &LayoutToken<'_>) -> bool {
    if previous.is_comment() {
        return !(token.is_sign(",") || token.is_sign(")"));
    }
    let tight_before =
        [",", ")", ">", "#", "/", "<", ".", "->", ":"].iter().any(|s| token.is_sign(s));
    let tight_after = ["(", "<", "#", "/", ".", "->"].iter().any(|sign| previous.is_sign(sign));
    let is_wildcard = previous.is_sign(":") && token.is_sign("*");
    let is_partial = previous.is_sign("...") && previous.starts_statement;
    let opens_call = token.is_sign("(") && previous.kind == TokenKind::Word;
    !(tight_before || tight_after || is_wildcard || is_partial || opens_call)
}
