//! The scanner, a first pass over the characters: where comments are, and whether brackets nest so deep that parsing would be unsafe.
//!
//! The parser and every walk over a syntax tree recurse once for each bracket. Rejecting deep nesting here, in a loop,
//! is what makes their recursion safe on any input. Strings and comments are skipped exactly as the grammar skips them.

use std::ops::Range;

/// How deep brackets of one kind may nest.
pub(in crate::schema) const NESTING_MAX: usize = 100;
/// How many words, numbers, strings and signs a text may have. The parser takes about 250 bytes of memory for each.
pub(in crate::schema) const TOKENS_MAX: usize = 500_000;

/// The result of a scan.
#[derive(Debug, Default)]
pub(in crate::schema) struct Scan {
    /// The comments, in bytes, in order.
    pub(in crate::schema) comments: Vec<Range<usize>>,
    /// The string literals, in bytes, in order.
    pub(in crate::schema) literals: Vec<Range<usize>>,
}

/// Why a text is not parsed at all.
#[derive(Debug)]
pub(in crate::schema) enum ScanError {
    /// A `/*` without its `*/`.
    UnclosedComment(Range<usize>),
    /// A quote without its partner. What follows could be inside or outside of the string.
    UnclosedString(Range<usize>),
    /// A bracket inside of too many others.
    TooDeep(Range<usize>),
    /// The first token of too many.
    TooMany(Range<usize>),
}

/// Walks over a text.
pub(in crate::schema) fn scan(text: &str) -> Result<Scan, ScanError> {
    let mut found = Scan::default();
    let mut depth = BracketDepth::default();
    let mut tokens = TokenCount::default();
    let mut at = 0;

    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if let Some(length) = comment_length(rest) {
            let length = length.map_err(|Unclosed| ScanError::UnclosedComment(at..at + 2))?;
            found.comments.push(at..at + length);
            at += length;
        } else if let Some(length) = string_length(rest) {
            let length = length.map_err(|Unclosed| ScanError::UnclosedString(at..at + 1))?;
            found.literals.push(at..at + length);
            tokens.sign();
            at += length;
        } else {
            let character = rest.chars().next().unwrap_or_default();
            if depth.step(character) {
                return Err(ScanError::TooDeep(at..at + character.len_utf8()));
            }
            tokens.step(character);
            if tokens.count > TOKENS_MAX {
                return Err(ScanError::TooMany(at..at + character.len_utf8()));
            }
            at += character.len_utf8();
        }
    }

    Ok(found)
}

/// A comment or string that opens and does not close.
#[derive(Debug)]
pub(in crate::schema) struct Unclosed;

/// The length of the comment that a text starts with.
fn comment_length(text: &str) -> Option<Result<usize, Unclosed>> {
    if text.starts_with("//") {
        return Some(Ok(text.find(['\n', '\r']).unwrap_or(text.len())));
    }
    let inside = text.strip_prefix("/*")?;
    Some(inside.find("*/").map(|length| length + "/**/".len()).ok_or(Unclosed))
}

/// The length of the string literal that a text starts with, CEL's raw strings included.
pub(in crate::schema) fn string_length(text: &str) -> Option<Result<usize, Unclosed>> {
    let after_r = text.strip_prefix(['r', 'R']);
    let after_rb = after_r.map(|rest| rest.strip_prefix(['b', 'B']).unwrap_or(rest));
    let raw = after_rb.filter(|rest| rest.starts_with(['"', '\'']));
    let body = raw.unwrap_or(text);
    let prefix = text.len() - body.len();
    let quotes = ["\"\"\"", "'''", "\"", "'"];
    let quote = quotes.into_iter().find(|quote| body.starts_with(quote))?;
    let length = closed_length(body, quote, raw.is_some());
    Some(length.map(|length| prefix + length).ok_or(Unclosed))
}

/// The length of a literal between two `quote`s. A single quote does not reach over a line break.
fn closed_length(text: &str, quote: &str, raw: bool) -> Option<usize> {
    let one_line = quote.len() == 1;
    let mut at = quote.len();

    loop {
        let rest = text.get(at..)?;
        if rest.starts_with(quote) {
            return Some(at + quote.len());
        }
        let mut characters = rest.chars();
        let mut character = characters.next()?;
        if character == '\\' && !raw {
            at += 1;
            character = characters.next()?;
        }
        if one_line && matches!(character, '\n' | '\r') {
            return None;
        }
        at += character.len_utf8();
    }
}

/// How many tokens there have been: a word or number counts once, as does every other character but white space.
#[derive(Default)]
struct TokenCount {
    count: usize,
    is_in_word: bool,
}

impl TokenCount {
    fn step(&mut self, character: char) {
        if character.is_alphanumeric() || character == '_' {
            self.count += usize::from(!self.is_in_word);
            self.is_in_word = true;
        } else if character.is_whitespace() {
            self.is_in_word = false;
        } else {
            self.sign();
        }
    }

    fn sign(&mut self) {
        self.count += 1;
        self.is_in_word = false;
    }
}

/// How many brackets of each kind are open.
#[derive(Default)]
struct BracketDepth {
    braces: usize,
    parentheses: usize,
    brackets: usize,
    angles: usize,
}

impl BracketDepth {
    /// Takes a character in; whether one kind is now too deep.
    fn step(&mut self, character: char) -> bool {
        match character {
            '{' => self.braces += 1,
            '}' => self.braces = self.braces.saturating_sub(1),
            '(' => self.parentheses += 1,
            ')' => self.parentheses = self.parentheses.saturating_sub(1),
            '[' => self.brackets += 1,
            ']' => self.brackets = self.brackets.saturating_sub(1),
            '<' => self.angles += 1,
            '>' => self.angles = self.angles.saturating_sub(1),
            _ => {}
        }

        // In CEL `<` compares; only a type's name, a comma or a space may stand between the brackets of a type.
        if !is_of_type(character) {
            self.angles = 0;
        }
        [self.braces, self.parentheses, self.brackets, self.angles]
            .into_iter()
            .any(|depth| depth > NESTING_MAX)
    }
}

fn is_of_type(character: char) -> bool {
    character.is_alphanumeric()
        || character.is_whitespace()
        || matches!(character, '<' | '>' | ',' | '_')
}
