//! Positions in source texts: lines and columns for people, byte ranges for programs.

use std::fmt;

/// A line and column in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character in the line, from 1.
    pub column: usize,
}

/// A byte range in one of the files of a schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::schema) struct Span {
    /// Which file, by position.
    pub(in crate::schema) file: usize,
    /// Where it starts, in bytes.
    pub(in crate::schema) start: usize,
    /// Where it ends, in bytes, exclusive.
    pub(in crate::schema) end: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

impl Span {
    /// From the start of this to the end of `other`.
    pub(in crate::schema) fn to(self, other: Self) -> Self {
        Self { end: other.end, ..self }
    }
}
