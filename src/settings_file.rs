//! Settings files: small TOML files for a part of the server, which are read whole, and their mistakes, each with its line.
//!
//! The part that a file is for says which tables it has and what they mean.

use serde::de::DeserializeOwned;
use std::fmt;
use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};
use toml::Spanned;

/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// A text with its place in a file.
pub type PlacedText = Spanned<String>;

/// A mistake in a settings file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SettingsMistake {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, and how to mend it. Shows no key.
    pub message: String,
}

/// A settings file that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsFileError {
    /// It cannot be read.
    #[error("the {kind} `{}` cannot be read: {reason}", .path.display())]
    Unreadable {
        /// What kind of file it is, such as `access file`.
        kind: &'static str,
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
        mistakes: Vec<SettingsMistake>,
    },
}

impl fmt::Display for SettingsMistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.line, self.message)
    }
}

fn lines(path: &Path, mistakes: &[SettingsMistake]) -> String {
    let line = |mistake: &SettingsMistake| format!("{}:{mistake}", path.display());
    mistakes.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Collects the mistakes of a text.
#[derive(Debug)]
pub struct MistakeList<'t> {
    text: &'t str,
    found: Vec<SettingsMistake>,
}

impl<'t> MistakeList<'t> {
    fn new(text: &'t str) -> Self {
        Self { text, found: Vec::new() }
    }

    /// Notes a mistake at a place.
    pub fn note(&mut self, place: Range<usize>, message: impl Into<String>) {
        let line = self.line(place.start);
        self.found.push(SettingsMistake { line, message: message.into() });
    }

    /// The value, or `None` and a note of the mistake at a place.
    pub fn noted<T, E: fmt::Display>(
        &mut self,
        place: Range<usize>,
        result: Result<T, E>,
    ) -> Option<T> {
        result.map_err(|error| self.note(place, error.to_string())).ok()
    }

    /// The line of a place, from 1.
    pub fn line(&self, offset: usize) -> usize {
        self.text.get(..offset).unwrap_or_default().matches('\n').count() + 1
    }

    fn into_sorted(mut self) -> Vec<SettingsMistake> {
        self.found.sort_by_key(|mistake| mistake.line);
        self.found
    }
}

/// Reads a file of a kind, such as `access file`. `read` makes the settings of its tables and notes their mistakes; with one,
/// there are no settings.
pub fn read_settings<C: DeserializeOwned, T>(
    kind: &'static str,
    path: &Path,
    read: impl FnOnce(C, &mut MistakeList<'_>) -> T,
) -> Result<T, SettingsFileError> {
    let unreadable =
        |reason: String| SettingsFileError::Unreadable { kind, path: path.to_owned(), reason };
    let bytes = fs::metadata(path).map_err(|error| unreadable(error.to_string()))?.len();
    if bytes > FILE_BYTES_MAX {
        return Err(unreadable(format!("it has {bytes} bytes, more than {FILE_BYTES_MAX}")));
    }
    let text = fs::read_to_string(path).map_err(|error| unreadable(error.to_string()))?;

    let mut mistakes = MistakeList::new(&text);
    let settings = match toml::from_str::<C>(&text) {
        Ok(content) => Some(read(content, &mut mistakes)),
        Err(error) => {
            // The message alone: the whole error repeats the line, which may have a key.
            mistakes.note(error.span().unwrap_or_default(), error.message());
            None
        }
    };
    let found = mistakes.into_sorted();
    settings
        .filter(|_| found.is_empty())
        .ok_or_else(|| SettingsFileError::Mistakes { path: path.to_owned(), mistakes: found })
}
