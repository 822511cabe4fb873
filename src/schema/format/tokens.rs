//! The tokens of a schema text whose syntax is right, comments among them.

use super::super::parse::Outline;
use super::super::scan::{Scan, string_length};
use super::super::syntax_error::first_word;
use std::ops::Range;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Word,
    /// An operator, a bracket or other punctuation.
    Sign,
    /// A text in quotes.
    Quoted,
    /// `// …`
    LineComment,
    /// `/* … */`
    BlockComment,
    /// Everything between the braces of a caveat.
    CaveatBody,
}

/// A token, with what the text has before it.
#[derive(Debug)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind,
    pub(super) text: &'t str,
    /// How many line breaks stand between the token before and this one.
    pub(super) breaks: usize,
    /// Whether a statement starts here.
    pub(super) starts_statement: bool,
    /// The spaces and tabs at the start of the line on which the token starts.
    pub(super) indent: &'t str,
    /// The string literals of a caveat's body, in bytes of `text`.
    pub(super) literals: Vec<Range<usize>>,
}

impl Token<'_> {
    pub(super) fn is_comment(&self) -> bool {
        matches!(self.kind, Kind::LineComment | Kind::BlockComment)
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.kind == Kind::Sign && self.text == sign
    }
}

/// Takes a text apart.
pub(super) fn tokens<'t>(text: &'t str, scanned: &Scan, outline: &Outline) -> Vec<Token<'t>> {
    let mut tokens = Vec::new();
    let mut reader = Reader { text, scanned, outline, at: 0, bodies_read: 0, indent: "" };
    while let Some(token) = reader.next_token() {
        tokens.push(token);
    }
    tokens
}

struct Reader<'t, 's> {
    text: &'t str,
    scanned: &'s Scan,
    outline: &'s Outline,
    at: usize,
    bodies_read: usize,
    /// The spaces at the start of the current line.
    indent: &'t str,
}

impl<'t> Reader<'t, '_> {
    fn next_token(&mut self) -> Option<Token<'t>> {
        // A body follows its brace at once: the spaces at its ends are part of it.
        let body = self.outline.caveat_bodies.get(self.bodies_read);
        if let Some(body) = body.filter(|body| body.start == self.at) {
            self.bodies_read += 1;
            return Some(self.caveat_body(body.clone()));
        }

        let breaks = self.skip_spaces();
        let start = self.at;
        let starts_statement = self.outline.statements.binary_search(&start).is_ok();
        let (kind, length) = self.kind_and_length()?;
        let token = self.text.get(start..start + length)?;
        let indent = self.indent;
        self.at += length;
        self.pass_lines(start..self.at);
        Some(Token { kind, text: token, breaks, starts_statement, indent, literals: Vec::new() })
    }

    fn kind_and_length(&self) -> Option<(Kind, usize)> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let comments = &self.scanned.comments;
        let comment = comments.binary_search_by_key(&self.at, |comment| comment.start).ok();
        if let Some(comment) = comment.and_then(|at| comments.get(at)) {
            let is_block = rest.starts_with("/*");
            let kind = if is_block { Kind::BlockComment } else { Kind::LineComment };
            return Some((kind, comment.len()));
        }
        if rest.starts_with(['"', '\'']) {
            let length = string_length(rest).and_then(Result::ok).unwrap_or(rest.len());
            return Some((Kind::Quoted, length));
        }
        Some(match first_word(rest).len() {
            0 if rest.starts_with("...") => (Kind::Sign, 3),
            0 if rest.starts_with("->") => (Kind::Sign, 2),
            0 => (Kind::Sign, rest.chars().next().map_or(0, char::len_utf8)),
            length => (Kind::Word, length),
        })
    }

    fn caveat_body(&mut self, body: Range<usize>) -> Token<'t> {
        let indent = self.indent;
        self.at = body.end;
        self.pass_lines(body.clone());
        let literals = &self.scanned.literals;
        let first = literals.partition_point(|literal| literal.start < body.start);
        let literals = literals.iter().skip(first).take_while(|literal| literal.end <= body.end);
        let literals =
            literals.map(|literal| literal.start - body.start..literal.end - body.start).collect();
        let text = self.text.get(body).unwrap_or_default();
        let kind = Kind::CaveatBody;
        Token { kind, text, breaks: 0, starts_statement: false, indent, literals }
    }

    /// Steps over spaces and line breaks, and counts these. A byte order mark is no token.
    fn skip_spaces(&mut self) -> usize {
        let rest = self.text.get(self.at..).unwrap_or_default();
        let is_space = |c: char| matches!(c, ' ' | '\t' | '\n' | '\r' | '\u{FEFF}');
        let length = rest.len() - rest.trim_start_matches(is_space).len();
        let spaces = rest.get(..length).unwrap_or_default();
        let breaks = spaces.matches(['\n', '\r']).count() - spaces.matches("\r\n").count();
        self.at += length;
        self.pass_lines(self.at - length..self.at);
        breaks
    }

    /// Notes the indentation of the last line that starts within a part of the text.
    fn pass_lines(&mut self, part: Range<usize>) {
        let passed = self.text.get(part.clone()).unwrap_or_default();
        let starts_text = part.start == 0;
        if let Some(at) = passed.rfind(['\n', '\r']).map(|at| at + 1).or(starts_text.then_some(0)) {
            let line = self.text.get(part.start + at..).unwrap_or_default();
            let length = line.len() - line.trim_start_matches([' ', '\t']).len();
            self.indent = line.get(..length).unwrap_or_default();
        }
    }
}
