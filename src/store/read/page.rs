//! Results of reads, and which rows they show.

use super::scan_position::ScanPosition;
use crate::relationship::{Relationship, Revision, Timestamp};
use std::sync::Arc;

/// Which rows a read shows.
#[derive(Clone, Copy, Debug)]
pub(in crate::store) enum ExpiryFilter {
    /// Those that have not expired at this time.
    HideExpired(Timestamp),
    /// Expired ones included.
    ShowAll,
}

impl ExpiryFilter {
    pub(in crate::store) fn shows(self, expires_at: Option<Timestamp>) -> bool {
        match self {
            Self::HideExpired(now) => expires_at.is_none_or(|at| now < at),
            Self::ShowAll => true,
        }
    }
}

/// A schema as it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SchemaText {
    /// The revision that wrote it.
    pub revision: Revision,
    /// The text.
    pub text: Arc<str>,
}

/// Relationships, each with the position after it.
pub(in crate::store) type Scanned = Vec<(Relationship, ScanPosition)>;

/// A page of a read by filter.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ScanPage {
    /// The relationships, each with the position after it.
    pub rows: Vec<(Relationship, ScanPosition)>,
    /// The position to continue from; `None` when everything has been read. A page may have it and no rows: when the
    /// budget for examining rows was spent before one matched.
    pub next: Option<ScanPosition>,
}
