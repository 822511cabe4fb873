//! Validation errors of message fields.

use std::fmt;

/// Maximum number of errors that are kept with their text; the others are counted. The texts travel in headers, which are small.
const SHOWN_MAX: usize = 6;

/// A field of a message, linked to the fields that contain it. Its path is written only for an error.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'p> {
    parent: Option<&'p Field<'p>>,
    name: &'static str,
    index: Option<usize>,
}

impl Field<'static> {
    /// A field of the outermost message.
    pub(crate) const fn root(name: &'static str) -> Self {
        Self { parent: None, name, index: None }
    }
}

impl Field<'_> {
    /// A field of the message that this field holds.
    pub(crate) const fn at(&self, name: &'static str) -> Field<'_> {
        Field { parent: Some(self), name, index: None }
    }

    /// An item of this repeated field.
    pub(crate) const fn item(&self, index: usize) -> Self {
        Self { index: Some(index), ..*self }
    }
}

/// `updates[3].relationship.resource`.
impl fmt::Display for Field<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(parent) = self.parent {
            write!(f, "{parent}.")?;
        }
        f.write_str(self.name)?;
        self.index.map_or(Ok(()), |index| write!(f, "[{index}]"))
    }
}

/// The invalid fields of a message. Readers note an error and continue, so that one pass finds all of them.
#[derive(Debug, Default)]
pub(crate) struct FieldErrors {
    shown: Vec<(String, String)>,
    count: usize,
}

impl FieldErrors {
    /// Notes that the value of a field breaks a rule.
    pub(crate) fn add(&mut self, field: Field<'_>, rule: impl fmt::Display) {
        self.count += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push((field.to_string(), rule.to_string()));
        }
    }

    /// The value of a required field; its absence is noted.
    pub(crate) fn require<T>(&mut self, field: Field<'_>, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(field, "a value is required");
        }
        value
    }

    /// The value of a result; an error is noted.
    pub(crate) fn note<T, E: fmt::Display>(
        &mut self,
        field: Field<'_>,
        value: Result<T, E>,
    ) -> Option<T> {
        value.map_err(|error| self.add(field, error)).ok()
    }

    /// Whether no field is invalid.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first errors, each as the path of its field and the rule it breaks.
    pub(crate) fn shown(&self) -> &[(String, String)] {
        &self.shown
    }

    /// A line for each of the first errors, and one that counts the others.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> =
            self.shown.iter().map(|(field, rule)| format!("{field}: {rule}")).collect();
        let others = self.count - self.shown.len();
        if others > 0 {
            lines.push(format!("and {others} more"));
        }
        lines
    }
}
