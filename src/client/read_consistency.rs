//! Consistency of reads.

use crate::proto::authzed::api::v1 as wire;
use crate::proto::authzed::api::v1::consistency::Requirement;

/// The revision that a call reads, as the server chooses it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum ReadConsistency {
    /// Any recent revision, whichever the server reads fastest.
    #[default]
    MinimizeLatency,
    /// At least as fresh as this token's revision.
    AtLeastAsFresh(String),
    /// Exactly this token's revision.
    AtExactSnapshot(String),
    /// The latest revision.
    FullyConsistent,
}

impl ReadConsistency {
    pub(super) fn to_message(&self) -> wire::Consistency {
        let token = |token: &String| wire::ZedToken { token: token.clone() };
        let requirement = match self {
            Self::MinimizeLatency => Requirement::MinimizeLatency(true),
            Self::AtLeastAsFresh(least) => Requirement::AtLeastAsFresh(token(least)),
            Self::AtExactSnapshot(exact) => Requirement::AtExactSnapshot(token(exact)),
            Self::FullyConsistent => Requirement::FullyConsistent(true),
        };
        wire::Consistency { requirement: Some(requirement) }
    }
}
