//! Errors of a request: invalid fields, or the reason why a well-formed request is refused.

use crate::api::status;
use crate::proto::field_errors::FieldErrors;
use prost::Name;
use std::ops::{Deref, DerefMut};
use tonic::Status;

/// Everything that is wrong with a request.
#[derive(Debug)]
pub(crate) struct Violations {
    message_type: fn() -> String,
    fields: FieldErrors,
    refusal: Option<Status>,
}

/// Readers of `proto` note their errors here.
impl Deref for Violations {
    type Target = FieldErrors;

    fn deref(&self) -> &FieldErrors {
        &self.fields
    }
}

impl DerefMut for Violations {
    fn deref_mut(&mut self) -> &mut FieldErrors {
        &mut self.fields
    }
}

impl Violations {
    /// Nothing is wrong yet with a message of this type.
    pub(crate) fn of<M: Name>() -> Self {
        Self { message_type: M::full_name, fields: FieldErrors::default(), refusal: None }
    }

    /// Notes the status of a request that is well formed and cannot be served. The first one is returned, and only if every field
    /// is valid: SpiceDB validates messages before it looks at their meaning.
    pub(crate) fn refuse(&mut self, status: Status) {
        self.refusal.get_or_insert(status);
    }

    /// The request, if nothing is wrong with it. `read` may be `None` only if something was noted.
    pub(crate) fn finish<T>(self, read: Option<T>) -> Result<T, Status> {
        if !self.fields.is_empty() {
            return Err(status::invalid_fields(&(self.message_type)(), &self.fields));
        }
        match (self.refusal, read) {
            (None, Some(read)) => Ok(read),
            (Some(refusal), _) => Err(refusal),
            (None, None) => Err(status::refused_without_reason()),
        }
    }
}
