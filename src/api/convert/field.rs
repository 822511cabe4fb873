//! Places in a message, and what is wrong there.

use crate::api::status;
use std::fmt;
use tonic::Status;

/// How many violations a status names; the rest is counted. Statuses travel in headers, which are small.
const VIOLATIONS_SHOWN_MAX: usize = 6;

/// A field of a request, as a chain up to the request itself. Costs nothing until it is written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Field<'p> {
    parent: Option<&'p Field<'p>>,
    name: &'static str,
    index: Option<usize>,
}

impl Field<'static> {
    /// A field of the request.
    pub(crate) const fn root(name: &'static str) -> Self {
        Self { parent: None, name, index: None }
    }
}

impl Field<'_> {
    /// A field of the message in this one.
    pub(crate) const fn at(&self, name: &'static str) -> Field<'_> {
        Field { parent: Some(self), name, index: None }
    }

    /// One item of this repeated field.
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

/// What is wrong with a request. Every reader notes here and goes on, so that all of it is found.
#[derive(Debug, Default)]
pub(crate) struct Violations {
    shown: Vec<(String, String)>,
    count: usize,
    refusal: Option<Status>,
}

impl Violations {
    /// Notes that the value of a field breaks a rule.
    pub(crate) fn add(&mut self, field: Field<'_>, rule: impl fmt::Display) {
        self.count += 1;
        if self.shown.len() < VIOLATIONS_SHOWN_MAX {
            self.shown.push((field.to_string(), rule.to_string()));
        }
    }

    /// Notes an answer for a request that is well formed, yet cannot be served. The first one counts, and only
    /// when there is no violation.
    pub(crate) fn refuse(&mut self, status: Status) {
        self.refusal.get_or_insert(status);
    }

    /// The value of a field that has to be there.
    pub(crate) fn require<T>(&mut self, field: Field<'_>, value: Option<T>) -> Option<T> {
        if value.is_none() {
            self.add(field, "a value is required");
        }
        value
    }

    /// The value of a fallible reading; what went wrong is noted.
    pub(crate) fn note<T, E: fmt::Display>(
        &mut self,
        field: Field<'_>,
        value: Result<T, E>,
    ) -> Option<T> {
        value.map_err(|error| self.add(field, error)).ok()
    }

    /// The request, when nothing was wrong with it. `read` is `None` only when something was.
    pub(crate) fn finish<T>(self, read: Option<T>) -> Result<T, Status> {
        if self.count > 0 {
            return Err(self.status());
        }
        match (self.refusal, read) {
            (None, Some(read)) => Ok(read),
            (Some(refusal), _) => Err(refusal),
            (None, None) => Err(Status::internal("a request was refused without a reason")),
        }
    }

    fn status(&self) -> Status {
        let lines: Vec<String> =
            self.shown.iter().map(|(field, rule)| format!("{field}: {rule}")).collect();
        let message = match lines.as_slice() {
            [only] => format!("validation error: {only}"),
            _ => format!("validation errors:\n - {}{}", lines.join("\n - "), self.rest()),
        };
        status::violations(message, &self.shown)
    }

    fn rest(&self) -> String {
        match self.count - self.shown.len() {
            0 => String::new(),
            more => format!("\n - and {more} more"),
        }
    }
}
