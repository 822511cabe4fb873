//! Places in a source as reports show them.

use crate::schema::{Position, SourceText};

/// A byte offset that is in a line of the source. The end of a text that ends with a line break is not: it becomes the end of the line before,
/// because nothing can be shown or annotated after the last line.
pub(super) fn offset(source: &str, offset: usize) -> usize {
    let last = source.strip_suffix('\n').unwrap_or(source);
    let last = last.strip_suffix('\r').unwrap_or(last);
    offset.min(last.len())
}

/// The line and column of a byte offset, in a line of the source.
pub(super) fn position(source: &SourceText, offset: usize) -> Position {
    source.position(self::offset(source, offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_is_in_its_last_line() {
        for (text, line, column) in [
            ("", 1, 1),
            ("\n", 1, 1),
            ("ab", 1, 3),
            ("ab\n", 1, 3),
            ("ab\ncé\n", 2, 3),
            ("ab\r\nc\r\n", 2, 2),
            ("ab\r", 1, 3),
            ("ab\n\n\n", 3, 1),
        ] {
            let source = SourceText::from(text);
            for end in [text.len(), text.len() + 1] {
                assert_eq!(position(&source, end), Position { line, column }, "{text:?}");
            }
            assert_eq!(position(&source, 0), Position { line: 1, column: 1 }, "{text:?}");
        }
    }
}
