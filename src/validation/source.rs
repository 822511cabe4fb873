//! Named texts, locations in them, and the map from a YAML scalar's value back to its source.

use crate::schema::{Position, SourceText};
use std::ops::Range;
use std::sync::Arc;

/// A part of a named text, for messages that point at it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceLocation {
    /// The text's name, as a rule its file name.
    pub source_name: Arc<str>,
    /// The whole text.
    pub source: SourceText,
    /// Where in the text, in bytes.
    pub span: Range<usize>,
}

impl SourceLocation {
    /// Where the part starts.
    pub fn start(&self) -> Position {
        self.source.position(self.span.start)
    }

    /// Where it ends: the position after its last character.
    pub fn end(&self) -> Position {
        self.source.position(self.span.end)
    }

    /// The part itself.
    pub fn text(&self) -> &str {
        self.source.get(self.span.clone()).unwrap_or_default()
    }
}

/// A named text.
#[derive(Clone, Debug)]
pub(super) struct NamedText {
    pub(super) name: Arc<str>,
    pub(super) text: SourceText,
}

impl NamedText {
    pub(super) fn new(name: &str, text: &str) -> Self {
        Self { name: name.into(), text: text.into() }
    }

    pub(super) fn location(&self, span: Range<usize>) -> SourceLocation {
        let start = floor(&self.text, span.start);
        let end = floor(&self.text, span.end).max(start);
        SourceLocation {
            source_name: self.name.clone(),
            source: self.text.clone(),
            span: start..end,
        }
    }
}

/// The nearest character boundary at or before `offset`.
fn floor(text: &str, offset: usize) -> usize {
    let mut offset = offset.min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// How a YAML scalar was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// Without quotes.
    Plain,
    /// In single quotes.
    Single,
    /// In double quotes, with escapes.
    Double,
    /// As a block, introduced by `|`; the span is that of its content.
    Block,
    /// As a block whose lines are joined, introduced by `>`.
    Folded,
}

/// Leads from the bytes of a scalar's value to the bytes of the YAML text.
#[derive(Clone, Debug, Default)]
pub(super) struct ScalarMap {
    /// Where a run of bytes that are the same in both starts: in the value, in the text.
    runs: Vec<(usize, usize)>,
    /// Where the scalar ends in the text.
    end: usize,
}

impl ScalarMap {
    /// Finds each character of `value` again in the part of `source` that wrote it. Blanks and line breaks, which
    /// YAML folds and strips, are stepped over; all else stands there in the same order.
    pub(super) fn new(source: &str, span: &Range<usize>, value: &str, style: Style) -> Self {
        let mut map = Self { runs: Vec::new(), end: span.end };
        let mut cursor = ScalarCursor { text: source, at: span.start, end: span.end, style };
        cursor.enter();
        for (at, character) in value.char_indices().filter(|(_, c)| !is_blank(*c)) {
            match cursor.find(character) {
                Some(found) => map.add(at, found),
                None => break,
            }
        }
        map
    }

    fn add(&mut self, value_at: usize, source_at: usize) {
        let continues = self
            .runs
            .last()
            .is_some_and(|(value, source)| value_at - value == source_at.saturating_sub(*source));
        if !continues {
            self.runs.push((value_at, source_at));
        }
    }

    fn at(&self, value_at: usize) -> usize {
        let run = self.runs.partition_point(|(value, _)| *value <= value_at).saturating_sub(1);
        let (value, source) = self.runs.get(run).copied().unwrap_or((0, self.end));
        (source + value_at.saturating_sub(value)).min(self.end)
    }

    /// The bytes of the YAML text that wrote these bytes of the value.
    pub(super) fn span(&self, value: Range<usize>) -> Range<usize> {
        let start = self.at(value.start);
        let end = if value.is_empty() { start } else { self.at(value.end - 1) + 1 };
        let end = end.min(self.end);
        start..end.max(start)
    }
}

fn is_blank(character: char) -> bool {
    matches!(character, ' ' | '\t' | '\n' | '\r')
}

/// Walks the text of a scalar.
struct ScalarCursor<'t> {
    text: &'t str,
    at: usize,
    end: usize,
    style: Style,
}

impl ScalarCursor<'_> {
    fn rest(&self) -> &str {
        self.text.get(self.at..self.end).unwrap_or_default()
    }

    /// Steps over the quote.
    fn enter(&mut self) {
        self.at += match self.style {
            Style::Plain | Style::Block | Style::Folded => 0,
            Style::Single | Style::Double => 1,
        };
    }

    /// Steps over blanks, then over `character`, and says where that was.
    fn find(&mut self, character: char) -> Option<usize> {
        loop {
            let next = self.rest().chars().next()?;
            if is_blank(next) {
                self.at += 1;
            } else if next == '\\' && self.style == Style::Double {
                let (length, written) = escape(self.rest())?;
                let found = self.at;
                self.at += length;

                if written == Some(character) {
                    return Some(found);
                }
            } else if next == character {
                let found = self.at;
                // In single quotes, a quote is written twice.
                let doubled = self.style == Style::Single && next == '\'';
                self.at += if doubled { 2 } else { next.len_utf8() };
                return Some(found);
            } else {
                return None;
            }
        }
    }
}

/// The length of the escape that `text` starts with, and the character that it writes when it is no blank.
fn escape(text: &str) -> Option<(usize, Option<char>)> {
    let kind = text.chars().nth(1)?;
    let digits = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        '"' | '\\' | '/' => return Some((2, Some(kind))),
        _ => return Some((1 + kind.len_utf8(), None)),
    };
    let code = u32::from_str_radix(text.get(2..2 + digits)?, 16).ok()?;
    Some((2 + digits, char::from_u32(code).filter(|c| !is_blank(*c))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str, written: &str, value: &str, style: Style, part: &str) -> String {
        let start = source.find(written).unwrap();
        let map = ScalarMap::new(source, &(start..start + written.len()), value, style);
        let at = value.find(part).unwrap();
        let span = map.span(at..at + part.len());
        format!("{}:{}", SourceText::from(source).position(span.start), &source[span])
    }

    #[test]
    fn a_literal_block_keeps_its_lines() {
        let source = "schema: |-\n  one {\n    two\n  }\n";
        let (written, value) = ("one {\n    two\n  }", "one {\n  two\n}");
        assert_eq!(found(source, written, value, Style::Block, "two"), "3:5:two");
        assert_eq!(found(source, written, value, Style::Block, "}"), "4:3:}");
    }

    #[test]
    fn a_folded_block_is_unfolded() {
        let source = "key: >-  # why\n    aaa\n    bbb\n\n    ccc\n";
        let written = "aaa\n    bbb\n\n    ccc";
        assert_eq!(found(source, written, "aaa bbb\nccc", Style::Block, "bbb"), "3:5:bbb");
        assert_eq!(found(source, written, "aaa bbb\nccc", Style::Block, "ccc"), "5:5:ccc");
    }

    #[test]
    fn escapes_and_doubled_quotes_are_stepped_over() {
        let double = r#"- "a\n\"b\" \u00e9 end""#;
        let written = double.strip_prefix("- ").unwrap();
        assert_eq!(found(double, written, "a\n\"b\" é end", Style::Double, "end"), "1:20:end");
        let single = "- 'it''s here'";
        assert_eq!(found(single, "'it''s here'", "it's here", Style::Single, "here"), "1:10:here");
    }

    #[test]
    fn a_value_that_was_not_written_there_leads_nowhere_bad() {
        let map = ScalarMap::new("abc", &(0..3), "xyz", Style::Plain);
        assert_eq!(map.span(0..3), 3..3);
        assert_eq!(ScalarMap::default().span(4..9), 0..0);
    }
}
