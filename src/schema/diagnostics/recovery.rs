//! Error recovery: names that statements with syntax errors may have defined.
//!
//! Names are looked up although some statements are broken, so that all faults are found in one pass. A name that is not
//! found may then be one that a broken statement was to define: every word of such a statement could be.

use std::collections::HashSet;

/// How much text of broken statements is taken apart, in bytes. With more, a schema is too broken to look names up.
const TEXT_BYTES_MAX: usize = 100_000;

/// The words of broken statements.
#[derive(Debug, Default)]
pub(in crate::schema) struct UnreadNames {
    words: HashSet<String>,
    text_bytes: usize,
    /// Whether any name could be missing.
    any_name: bool,
}

impl UnreadNames {
    /// Notes a statement that could not be read.
    pub(in crate::schema) fn statement(&mut self, text: &str) {
        self.text_bytes += text.len();
        // A reference to a partial does not name the members that it includes.
        self.any_name |= self.text_bytes > TEXT_BYTES_MAX || text.contains("...");
        if !self.any_name {
            let words = text.split(|c: char| !c.is_alphanumeric() && c != '_');
            self.words.extend(words.filter(|word| !word.is_empty()).map(str::to_owned));
        }
    }

    /// Notes that something is missing of which not even the names are known.
    pub(in crate::schema) fn anything(&mut self) {
        self.any_name = true;
    }

    /// Whether so much is missing that no name can be said to be unknown.
    pub(in crate::schema) fn is_anything(&self) -> bool {
        self.any_name
    }

    /// Whether a statement that could not be read may have been to define a name.
    pub(in crate::schema) fn may_define(&self, name: &str) -> bool {
        self.any_name || name.split('/').all(|segment| self.words.contains(segment))
    }
}
