//! Diagnostics: errors and warnings about a schema, with their position. Data only; the command line renders them.

use super::position::Position;
use super::source_text::SourceText;
use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// An error in a schema, or a warning about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Whether the schema can be used in spite of it.
    pub severity: Severity,
    /// At which stage it was found.
    pub stage: DiagnosticStage,
    /// A short, stable name of this kind of diagnostic, such as `unknown-definition`.
    pub code: &'static str,
    /// The message.
    pub message: String,
    /// The name of the text that it is about: a file's name, or `schema`.
    pub source_name: Arc<str>,
    /// That whole text.
    pub source: SourceText,
    /// The faulty part, in bytes of `source`.
    pub span: Range<usize>,
    /// How to fix it, where that is known.
    pub help: Option<String>,
    /// The names that it is about, by what they are, such as `definition_name`: for programs.
    pub names: Vec<(&'static str, String)>,
}

/// Whether a schema with this diagnostic can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Severity {
    /// It cannot.
    Error,
    /// It can, but probably says something other than what was meant.
    Warning,
}

/// At which stage a diagnostic was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DiagnosticStage {
    /// The text is not of the language.
    Parse,
    /// The text is of the language, but its parts do not fit together.
    Type,
    /// The schema is right, but looks wrong.
    Lint,
}

impl Diagnostic {
    /// Where the faulty part starts.
    pub fn start(&self) -> Position {
        self.source.position(self.span.start)
    }

    /// Where the faulty part ends: the position after its last character.
    pub fn end(&self) -> Position {
        self.source.position(self.span.end)
    }

    /// The faulty part itself.
    pub fn source_code(&self) -> &str {
        self.source.get(self.span.clone()).unwrap_or_default()
    }
}

/// `schema:3:5: message`, one line, for logs and tests.
impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.source_name, self.start(), self.message)
    }
}
