//! The error of a schema that does not compile.

use super::diagnostic::Diagnostic;
use std::fmt;
use std::ops::Deref;

/// Why a text is not a schema: one or more diagnostics, in the order of the text.
///
/// Dereferences to the slice of its diagnostics. Displayed, each is a line with its file, line and column:
/// `schema:3:5: message`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaError(Vec<Diagnostic>);

impl SchemaError {
    pub(in crate::schema) fn new(diagnostics: Vec<Diagnostic>) -> Self {
        debug_assert!(!diagnostics.is_empty(), "an error has a reason");
        Self(diagnostics)
    }

    /// The diagnostics.
    pub fn diagnostics(&self) -> &[Diagnostic] {
        &self.0
    }
}

impl std::error::Error for SchemaError {}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, diagnostic) in self.0.iter().enumerate() {
            let separator = if at == 0 { "" } else { "\n" };
            write!(f, "{separator}{diagnostic}")?;
        }
        Ok(())
    }
}

impl Deref for SchemaError {
    type Target = [Diagnostic];

    fn deref(&self) -> &[Diagnostic] {
        &self.0
    }
}

impl From<SchemaError> for Vec<Diagnostic> {
    fn from(error: SchemaError) -> Self {
        error.0
    }
}

impl IntoIterator for SchemaError {
    type Item = Diagnostic;
    type IntoIter = std::vec::IntoIter<Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'e> IntoIterator for &'e SchemaError {
    type Item = &'e Diagnostic;
    type IntoIter = std::slice::Iter<'e, Diagnostic>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.iter()
    }
}
