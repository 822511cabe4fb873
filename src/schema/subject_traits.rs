//! The traits of an allowed subject type: its caveat and whether it expires.

use std::fmt;

/// ` with caveat and expiration`
pub(super) struct SubjectTraits<'t> {
    pub(super) caveat: Option<&'t str>,
    pub(super) expires: bool,
}

impl fmt::Display for SubjectTraits<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.caveat, self.expires) {
            (None, false) => Ok(()),
            (None, true) => f.write_str(" with expiration"),
            (Some(caveat), false) => write!(f, " with {caveat}"),
            (Some(caveat), true) => write!(f, " with {caveat} and expiration"),
        }
    }
}
