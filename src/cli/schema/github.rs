//! Annotations of a GitHub workflow.

use crate::cli::validate::github::{data, from_here, property};

/// An annotation of a whole file, with a line break.
pub(super) fn annotation_of_file(kind: &str, file: &str, message: &str) -> String {
    format!("::{kind} file={}::{}\n", property(&from_here(file)), data(message))
}

/// An annotation at a line of a file, with a line break.
pub(super) fn annotation(kind: &str, file: &str, line: usize, message: &str) -> String {
    format!("::{kind} file={},line={line}::{}\n", property(&from_here(file)), data(message))
}
