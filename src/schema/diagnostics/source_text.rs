//! A source text with an index from byte offsets to lines and columns.

use super::position::Position;
use std::fmt;
use std::ops::Deref;
use std::sync::{Arc, OnceLock};

/// How many bytes of a long line may lie between two marks.
const MARK_BYTES: usize = 1024;

/// A text, shared by everything that points into it. Its lines are indexed once, on the first lookup.
#[derive(Clone)]
pub struct SourceText(Arc<Indexed>);

struct Indexed {
    text: Box<str>,
    marks: OnceLock<Vec<OffsetMark>>,
}

/// A byte offset whose position is known.
struct OffsetMark {
    offset: usize,
    position: Position,
}

impl SourceText {
    /// The position of a byte offset; past the end of the text, its end.
    pub fn position(&self, offset: usize) -> Position {
        let offset = if self.is_char_boundary(offset) { offset } else { self.len() };
        let marks = self.0.marks.get_or_init(|| marks(self));
        let after = marks.partition_point(|mark| mark.offset <= offset);
        let start = OffsetMark { offset: 0, position: Position { line: 1, column: 1 } };
        let mark = after.checked_sub(1).and_then(|at| marks.get(at)).unwrap_or(&start);
        let between = self.get(mark.offset..offset).unwrap_or_default().chars().count();
        Position { line: mark.position.line, column: mark.position.column + between }
    }
}

/// The start of each line but the first, and further marks within long lines.
fn marks(text: &str) -> Vec<OffsetMark> {
    let mut marks = Vec::new();
    let (mut line, mut column, mut marked) = (1, 1, 0);
    let mut before = None;
    for (at, character) in text.char_indices() {
        let end = at + character.len_utf8();
        match character {
            // The second half of one line break.
            '\n' if before == Some('\r') => column = 1,
            '\n' | '\r' => (line, column) = (line + 1, 1),
            _ => column += 1,
        }
        if column == 1 || end - marked >= MARK_BYTES {
            marks.push(OffsetMark { offset: end, position: Position { line, column } });
            marked = end;
        }
        before = Some(character);
    }

    marks
}

impl Deref for SourceText {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0.text
    }
}

impl From<&str> for SourceText {
    fn from(text: &str) -> Self {
        Self(Arc::new(Indexed { text: text.into(), marks: OnceLock::new() }))
    }
}

impl PartialEq for SourceText {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || **self == **other
    }
}

impl Eq for SourceText {}

impl fmt::Debug for SourceText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same, by counting from the start.
    fn counted(text: &str, offset: usize) -> Position {
        let before = text.get(..offset).unwrap_or(text);
        let line_start = before.rfind(['\n', '\r']).map_or(0, |at| at + 1);
        let breaks = before.matches(['\n', '\r']).count() - before.matches("\r\n").count();
        let column = before.get(line_start..).unwrap_or_default().chars().count() + 1;
        Position { line: breaks + 1, column }
    }

    #[test]
    fn every_place_is_where_counting_finds_it() {
        let long = "é-".repeat(MARK_BYTES);
        for text in ["", "a", "\n", "\r\n", "\r\r\n\n\r", "a\r\nbé\rc\n\nd", &long] {
            let text = format!("{text}x\n{long}\r\n{text}");
            let source = SourceText::from(text.as_str());
            for offset in 0..text.len() + 3 {
                assert_eq!(source.position(offset), counted(&text, offset), "{offset}");
            }
        }
    }
}
