//! Validation errors of message fields.

use crate::relationship::InvalidName;
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

    fn path(&self) -> Vec<(&'static str, Option<usize>)> {
        let mut path = self.parent.map_or_else(Vec::new, Field::path);
        path.push((self.name, self.index));
        path
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

/// What a value breaks of the rules that the protocol has for its field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Breach {
    /// There is no value.
    Missing,
    /// A text of so many bytes does not have its form, or is too long.
    Text {
        /// Its length.
        bytes: usize,
    },
    /// A number that no value of the enum has, or the one that stands for no value.
    Enum(i32),
    /// A rule that the protocol does not state.
    Other,
}

/// An invalid field of a message.
#[derive(Debug)]
pub(crate) struct FieldError {
    path: Vec<(&'static str, Option<usize>)>,
    field: String,
    breach: Breach,
    rule: String,
}

impl FieldError {
    /// The fields on the way to the invalid one and itself, each with the index if it is an item.
    pub(crate) fn path(&self) -> &[(&'static str, Option<usize>)] {
        &self.path
    }

    /// The path as a text.
    pub(crate) fn field(&self) -> &str {
        &self.field
    }

    /// What its value breaks.
    pub(crate) fn breach(&self) -> Breach {
        self.breach
    }

    /// What its value must be, for people.
    pub(crate) fn rule(&self) -> &str {
        &self.rule
    }
}

/// The invalid fields of a message. Readers note an error and continue, so that one pass finds all of them.
#[derive(Debug, Default)]
pub(crate) struct FieldErrors {
    shown: Vec<FieldError>,
    count: usize,
}

impl FieldErrors {
    /// Notes that the value of a field breaks a rule.
    pub(crate) fn add(&mut self, field: Field<'_>, breach: Breach, rule: impl fmt::Display) {
        self.count += 1;
        if self.shown.len() < SHOWN_MAX {
            self.shown.push(FieldError {
                path: field.path(),
                field: field.to_string(),
                breach,
                rule: rule.to_string(),
            });
        }
    }

    /// The value of a required field; its absence is noted.
    pub(crate) fn require<T>(&mut self, field: Field<'_>, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(field, Breach::Missing, "a value is required");
        }
        value
    }

    /// Whether a name fits; an error is noted.
    pub(crate) fn note(&mut self, field: Field<'_>, named: Result<(), InvalidName>) -> Option<()> {
        named
            .map_err(|error| self.add(field, Breach::Text { bytes: error.value.len() }, error))
            .ok()
    }

    /// Whether no field is invalid.
    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The first errors.
    pub(crate) fn shown(&self) -> &[FieldError] {
        &self.shown
    }

    /// A line for each of the first errors, and one that counts the others.
    pub(crate) fn lines(&self) -> Vec<String> {
        let shown = self.shown.iter();
        let mut lines: Vec<String> =
            shown.map(|error| format!("{}: {}", error.field, error.rule)).collect();
        let others = self.count - self.shown.len();
        if others > 0 {
            lines.push(format!("and {others} more"));
        }
        lines
    }
}
