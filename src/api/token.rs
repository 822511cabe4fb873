//! `ZedToken`s: revisions as clients hold them, and the moments that requests ask for.

use super::bytes::{self, StoreBytes};
use super::proto::authzed::api::v1::consistency::Requirement;
use super::proto::authzed::api::v1::{Consistency as ConsistencyMessage, ZedToken};
use crate::database::Consistency;
use crate::relationship::Revision;
use tonic::Status;

const KIND: u8 = b'T';

/// Writes and reads the tokens of one store.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tokens {
    store: StoreBytes,
}

/// What a token says.
enum Named {
    /// A revision of this store.
    Revision(Revision),
    /// Some moment of another store.
    Foreign,
}

impl Tokens {
    pub(super) fn new(store: StoreBytes) -> Self {
        Self { store }
    }

    /// The store's id, as tokens and cursors carry it.
    pub(super) fn store(self) -> StoreBytes {
        self.store
    }

    /// The token of a revision.
    pub(super) fn token(self, revision: Revision) -> ZedToken {
        ZedToken { token: bytes::seal(KIND, self.store, &revision.0.to_be_bytes()) }
    }

    /// The moment that a request asks for. A call without the message reads the newest one.
    pub(super) fn consistency(
        self,
        message: Option<ConsistencyMessage>,
    ) -> Result<Consistency, Status> {
        let Some(message) = message else {
            return Ok(Consistency::MinimizeLatency);
        };
        match message.requirement {
            Some(Requirement::MinimizeLatency(true)) => Ok(Consistency::MinimizeLatency),
            Some(Requirement::FullyConsistent(true)) => Ok(Consistency::FullyConsistent),
            Some(Requirement::AtLeastAsFresh(token)) => self.at_least(&token),
            Some(Requirement::AtExactSnapshot(token)) => self.exactly(&token),
            Some(Requirement::MinimizeLatency(false) | Requirement::FullyConsistent(false)) => {
                Err(Status::invalid_argument(
                    "validation error: consistency: `minimize_latency` and `fully_consistent` must be true when they are set",
                ))
            }
            None => Err(Status::invalid_argument(
                "validation error: consistency: one of `minimize_latency`, `at_least_as_fresh`, `at_exact_snapshot` and `fully_consistent` is required",
            )),
        }
    }

    /// Another store's revisions say nothing about this one, but its newest moment is certainly fresh.
    fn at_least(self, token: &ZedToken) -> Result<Consistency, Status> {
        Ok(match self.named(token)? {
            Named::Revision(revision) => Consistency::AtLeastAsFresh(revision),
            Named::Foreign => Consistency::FullyConsistent,
        })
    }

    fn exactly(self, token: &ZedToken) -> Result<Consistency, Status> {
        match self.named(token)? {
            Named::Revision(revision) => Ok(Consistency::AtExactSnapshot(revision)),
            Named::Foreign => Err(Status::failed_precondition(
                "the ZedToken is from another store, so its exact snapshot cannot be read here: use a token that this server gave out, or `at_least_as_fresh`",
            )),
        }
    }

    fn named(self, token: &ZedToken) -> Result<Named, Status> {
        let malformed = || Status::invalid_argument("invalid revision requested");
        let opened = bytes::open(KIND, &token.token).ok_or_else(malformed)?;
        let revision = opened.payload.try_into().map_err(|_| malformed())?;
        if opened.store == self.store {
            Ok(Named::Revision(Revision(u64::from_be_bytes(revision))))
        } else {
            Ok(Named::Foreign)
        }
    }
}
