//! Mistakes of a mapping file, with their lines.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A mistake in a mapping file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MappingMistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and how to mend it.
    pub message: String,
}

/// A mapping file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExtAuthzMappingError {
    /// It cannot be read.
    #[error("the mapping file `{}` cannot be read: {reason}", .path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// It has mistakes, in order of lines.
    #[error("{}", lines(.path, .mistakes))]
    Mistakes {
        /// The file.
        path: PathBuf,
        /// At least one.
        mistakes: Vec<MappingMistake>,
    },
}

impl fmt::Display for MappingMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

fn lines(path: &Path, mistakes: &[MappingMistake]) -> String {
    let line = |mistake: &MappingMistake| format!("{}:{mistake}", path.display());
    mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Collects the mistakes of a text.
pub(super) struct MistakeList<'t> {
    text: &'t str,
    found: Vec<MappingMistake>,
}

impl<'t> MistakeList<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// Notes a mistake at a place.
    pub(super) fn note(&mut self, place: Range<usize>, message: impl Into<String>) {
        let line = self.line(place.start);
        self.found.push(MappingMistake { line, message: message.into() });
    }

    /// The value, or `None` and a note of the mistake at a place.
    pub(super) fn noted<T, E: fmt::Display>(
        &mut self,
        place: Range<usize>,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.note(place, error.to_string())).ok()
    }

    /// The line of a place, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.text.get(..offset).unwrap_or_default().matches('\n').count() + 1
    }

    /// The mistakes in order of lines.
    pub(super) fn into_sorted(mut self) -> Vec<MappingMistake> {
        self.found.sort_by_key(|mistake| mistake.line);
        self.found
    }
}
