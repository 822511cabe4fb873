//! The tokens of a schema text whose syntax is right, comments among them.

use crate::schema::parse::Outline;
use crate::schema::parse::scan::{Scan, string_length};
use crate::schema::parse::syntax_error::first_word;
use std::ops::Range;

/// The kind of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TokenKind {
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

/// A token, with the line breaks and indentation before it.
#[derive(Debug)]
pub(super) struct LayoutToken<'t> {
    pub(super) kind: TokenKind,
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

impl LayoutToken<'_> {
    pub(super) fn is_comment(&self) -> bool {
        matches!(self.kind, TokenKind::LineComment | TokenKind::BlockComment)
    }

    pub(super) fn is_sign(&self, sign: &str) -> bool {
        self.kind == TokenKind::Sign && self.text == sign
    }
}

/// The tokens of a text.
pub(super) fn tokens<'t>(text: &'t str, scanned: &Scan, outline: &Outline) -> Vec<LayoutToken<'t>> {
    let mut tokens = Vec::new();
    let mut reader = Tokenizer { text, scanned, outline, at: 0, bodies_read: 0, indent: "" };
    while let Some(token) = reader.next_token() {
        tokens.push(token);
    }
    tokens
}

struct Tokenizer<'t, 's> {
    text: &'t str,
    scanned: &'s Scan,
    outline: &'s Outline,
    at: usize,
    bodies_read: usize,
    /// The spaces at the start of the current line.
    indent: &'t str,
}

impl<'t> Tokenizer<'t, '_> {
    fn next_token(&mut self) -> Option<LayoutToken<'t>> {
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
        Some(LayoutToken {
            kind,
            text: token,
            breaks,
            starts_statement,
            indent,
            literals: Vec::new(),
        })
    }

    fn kind_and_length(&self) -> Option<(TokenKind, usize)> {
        let rest = self.text.get(self.at..).filter(|rest| !rest.is_empty())?;
        let comments = &self.scanned.comments;
        let comment = comments.binary_search_by_key(&self.at, |comment| comment.start).ok();
        if let Some(comment) = comment.and_then(|at| comments.get(at)) {
            let is_block = rest.starts_with("/*");
            let kind = if is_block { TokenKind::BlockComment } else { TokenKind::LineComment };
            return Some((kind, comment.len()));
        }

        if rest.starts_with(['"', '\'']) {
            let length = string_length(rest).and_then(Result::ok).unwrap_or(rest.len());
            return Some((TokenKind::Quoted, length));
        }
        Some(match first_word(rest).len() {
            0 if rest.starts_with("...") => (TokenKind::Sign, 3),
            0 if rest.starts_with("->") => (TokenKind::Sign, 2),
            0 => (TokenKind::Sign, rest.chars().next().map_or(0, char::len_utf8)),
            length => (TokenKind::Word, length),
        })
    }

    fn caveat_body(&mut self, body: Range<usize>) -> LayoutToken<'t> {
        let indent = self.indent;
        self.at = body.end;
        self.pass_lines(body.clone());
        let literals = &self.scanned.literals;
        let first = literals.partition_point(|literal| literal.start < body.start);
        let literals = literals.iter().skip(first).take_while(|literal| literal.end <= body.end);
        let literals =
            literals.map(|literal| literal.start - body.start..literal.end - body.start).collect();
        let text = self.text.get(body).unwrap_or_default();
        let kind = TokenKind::CaveatBody;
        LayoutToken { kind, text, breaks: 0, starts_statement: false, indent, literals }
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
