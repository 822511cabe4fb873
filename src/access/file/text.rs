//! Lines of an access file, and its mistakes.

use std::fmt;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A mistake in an access file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessMistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and how to mend it. Shows no key.
    pub message: String,
}

/// An access file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AccessFileError {
    /// It cannot be read.
    #[error("the access file `{}` cannot be read: {reason}", .path.display())]
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
        mistakes: Vec<AccessMistake>,
    },
}

impl fmt::Display for AccessMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

fn lines(path: &Path, mistakes: &[AccessMistake]) -> String {
    let line = |mistake: &AccessMistake| format!("{}:{mistake}", path.display());
    mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Collects the mistakes of a text.
pub(super) struct Mistakes<'t> {
    text: &'t str,
    found: Vec<AccessMistake>,
}

impl<'t> Mistakes<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// Notes a mistake at a place.
    pub(super) fn note(&mut self, place: Range<usize>, message: impl Into<String>) {
        let line = self.line(place.start);
        self.found.push(AccessMistake { line, message: message.into() });
    }

    /// The line of a place, from 1.
    pub(super) fn line(&self, offset: usize) -> usize {
        self.text.get(..offset).unwrap_or_default().matches('\n').count() + 1
    }

    /// The mistakes in order of lines.
    pub(super) fn into_sorted(mut self) -> Vec<AccessMistake> {
        self.found.sort_by_key(|mistake| mistake.line);
        self.found
    }
}
